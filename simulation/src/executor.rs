//! One thread, virtual time: which process runs next, and when.
//!
//! A process is one invocation of a function: a future. It ends, is killed (its future is dropped where it stands), or is
//! frozen (it is not polled until it thaws). Among those that could run, chance picks one; time moves only when none can. So
//! everything that happens follows from the seed.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use crate::chance::Seeded;

/// A moment of true time, in microseconds since 1970.
pub type Micros = i64;

/// A process, numbered in the order of their start.
pub type Pid = u64;

type Running = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// The futures of the history that this thread plays, but the one that is being polled. They are the thread's, since the
    /// flows' futures cannot be shown to be `Send`, and everything else here is what the ports can share.
    static FUTURES: RefCell<BTreeMap<Pid, Running>> = const { RefCell::new(BTreeMap::new()) };
}

/// So many steps are more than any history needs: it runs hot.
const MOST_STEPS: u64 = 10_000_000;

/// The executor. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Mutex<Shared>>,
    chance: Seeded,
}

struct Shared {
    now: Micros,
    current: Option<Pid>,
    next: Pid,
    processes: BTreeMap<Pid, Process>,
    /// Who wants to be polled. A list, not a queue: chance picks.
    ready: Vec<Pid>,
    timers: BinaryHeap<Reverse<(Micros, u64)>>,
    sleepers: BTreeMap<u64, Waker>,
    timer: u64,
    steps: u64,
}

#[derive(Debug, Clone)]
struct Process {
    name: Arc<str>,
    /// How far its clock is ahead of true time.
    skew: Micros,
    frozen_until: Micros,
    killed: bool,
}

struct Alarm {
    pid: Pid,
    shared: Arc<Mutex<Shared>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut shared = self.shared.lock().unwrap();
        if !shared.ready.contains(&self.pid) {
            shared.ready.push(self.pid);
        }
    }
}

impl Executor {
    /// An executor whose time begins at `start`. What this thread's last one left is dropped.
    #[must_use]
    pub fn new(start: Micros, chance: Seeded) -> Self {
        Self::forget_all();
        let shared = Shared {
            now: start,
            current: None,
            next: 1,
            processes: BTreeMap::new(),
            ready: Vec::new(),
            timers: BinaryHeap::new(),
            sleepers: BTreeMap::new(),
            timer: 0,
            steps: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)), chance }
    }

    /// Drops every process of this thread's history.
    pub fn forget_all() {
        let futures = FUTURES.with_borrow_mut(std::mem::take);
        // Outside of the borrow: their destructors may ask for the time.
        drop(futures);
    }

    /// True time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.shared.lock().unwrap().now
    }

    /// Who is running.
    #[must_use]
    pub fn current(&self) -> Option<Pid> {
        self.shared.lock().unwrap().current
    }

    /// The running process's name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        let shared = self.shared.lock().unwrap();
        let running = shared.current.and_then(|pid| shared.processes.get(&pid));
        running.map_or_else(|| "world".into(), |process| process.name.clone())
    }

    /// How far the running process's clock is ahead of true time.
    #[must_use]
    pub fn skew(&self) -> Micros {
        let shared = self.shared.lock().unwrap();
        shared.current.and_then(|pid| shared.processes.get(&pid)).map_or(0, |process| process.skew)
    }

    /// Sets the clock of every process that runs now.
    pub fn jump_clocks(&self, skew: impl Fn() -> Micros) {
        for process in self.shared.lock().unwrap().processes.values_mut() {
            process.skew = skew();
        }
    }

    /// Starts a process.
    pub fn spawn(&self, name: &str, skew: Micros, future: impl Future<Output = ()> + 'static) -> Pid {
        let mut shared = self.shared.lock().unwrap();
        let pid = shared.next;
        shared.next += 1;
        FUTURES.with_borrow_mut(|futures| futures.insert(pid, Box::pin(future)));
        let process = Process { name: name.into(), skew, frozen_until: 0, killed: false };
        shared.processes.insert(pid, process);
        shared.ready.push(pid);
        pid
    }

    /// Whether a process still runs.
    #[must_use]
    pub fn alive(&self, pid: Pid) -> bool {
        self.shared.lock().unwrap().processes.contains_key(&pid)
    }

    /// The processes that run, frozen ones included.
    #[must_use]
    pub fn running(&self) -> Vec<Pid> {
        self.shared.lock().unwrap().processes.keys().copied().collect()
    }

    /// Ends a process where it stands.
    pub fn kill(&self, pid: Pid) {
        let future = {
            let mut shared = self.shared.lock().unwrap();
            if shared.current == Some(pid) {
                // Being polled: dropped as soon as it yields.
                if let Some(process) = shared.processes.get_mut(&pid) {
                    process.killed = true;
                }
                return;
            }
            shared.processes.remove(&pid);
            FUTURES.with_borrow_mut(|futures| futures.remove(&pid))
        };
        // Its destructors may ask for the time.
        drop(future);
    }

    /// Freezes a process for a while.
    pub fn freeze(&self, pid: Pid, time: Micros) {
        let mut shared = self.shared.lock().unwrap();
        let until = shared.now + time;
        if let Some(process) = shared.processes.get_mut(&pid) {
            process.frozen_until = process.frozen_until.max(until);
        }
    }

    /// Sleeps until a moment of true time.
    pub fn sleep_until(&self, at: Micros) -> Sleep {
        Sleep { executor: self.clone(), at, timer: None }
    }

    /// Sleeps for a time.
    pub fn sleep(&self, time: Micros) -> Sleep {
        self.sleep_until(self.now() + time)
    }

    /// Runs until nothing can run and the next thing to happen lies after `until`; time ends at the last thing that happened.
    pub fn run_until(&self, until: Micros) {
        while self.step(until) {}
    }

    /// Lets happen what happens until `future` ends, and returns its end. It is no process: nothing befalls it.
    ///
    /// # Panics
    /// Where nothing is left that could wake it, or nothing ends it.
    pub fn play<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        for _ in 0..MOST_STEPS {
            if let Poll::Ready(end) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return end;
            }
            let next = self.next_event();
            self.run_until(next.unwrap_or_else(|| panic!("nothing would ever wake it")));
        }
        panic!("it runs hot");
    }

    /// The next moment at which something happens by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<Micros> {
        let shared = self.shared.lock().unwrap();
        if shared.ready.is_empty() { shared.timers.peek().map(|Reverse((at, _))| *at) } else { Some(shared.now) }
    }

    /// Moves time forward, if nothing happens before.
    pub fn advance_to(&self, at: Micros) {
        let mut shared = self.shared.lock().unwrap();
        shared.now = shared.now.max(at);
    }

    fn step(&self, until: Micros) -> bool {
        let Some(pid) = self.pick() else { return self.tick(until) };
        let (mut future, waker) = {
            let mut shared = self.shared.lock().unwrap();
            let Some(process) = shared.processes.get(&pid) else { return true };
            if process.frozen_until > shared.now {
                let thaw = process.frozen_until;
                let waker = self.waker(pid);
                shared.add_timer(thaw, waker);
                return true;
            }
            let Some(future) = FUTURES.with_borrow_mut(|futures| futures.remove(&pid)) else { return true };
            shared.current = Some(pid);
            shared.steps += 1;
            assert!(shared.steps < MOST_STEPS, "the history runs hot");
            (future, self.waker(pid))
        };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut shared = self.shared.lock().unwrap();
        shared.current = None;
        let killed = shared.processes.get(&pid).is_none_or(|process| process.killed);
        if polled.is_ready() || killed {
            shared.processes.remove(&pid);
            drop(shared);
            drop(future);
        } else {
            FUTURES.with_borrow_mut(|futures| futures.insert(pid, future));
        }
        true
    }

    fn pick(&self) -> Option<Pid> {
        let mut shared = self.shared.lock().unwrap();
        let choices = shared.ready.len();
        match choices {
            0 => None,
            1 => shared.ready.pop(),
            _ => {
                let choice = self.chance.index(choices);
                Some(shared.ready.swap_remove(choice))
            }
        }
    }

    /// Moves time to the next timer, if it lies before `until`.
    fn tick(&self, until: Micros) -> bool {
        let wakers = {
            let mut shared = self.shared.lock().unwrap();
            let Some(Reverse((at, _))) = shared.timers.peek().copied() else { return false };
            if at > until {
                return false;
            }
            shared.now = shared.now.max(at);
            let mut wakers = Vec::new();
            while let Some(Reverse((at, timer))) = shared.timers.peek().copied() {
                if at > shared.now {
                    break;
                }
                shared.timers.pop();
                wakers.extend(shared.sleepers.remove(&timer));
            }
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn waker(&self, pid: Pid) -> Waker {
        Waker::from(Arc::new(Alarm { pid, shared: self.shared.clone() }))
    }
}

impl Shared {
    fn add_timer(&mut self, at: Micros, waker: Waker) -> u64 {
        self.timer += 1;
        let timer = self.timer;
        self.timers.push(Reverse((at, timer)));
        self.sleepers.insert(timer, waker);
        timer
    }
}

/// See [`Executor::sleep_until`].
pub struct Sleep {
    executor: Executor,
    at: Micros,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        let mut shared = executor.shared.lock().unwrap();
        if shared.now >= self.at {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        match self.timer {
            Some(timer) if shared.sleepers.contains_key(&timer) => {
                shared.sleepers.insert(timer, waker);
            }
            _ => self.timer = Some(shared.add_timer(self.at, waker)),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer
            && let Ok(mut shared) = self.executor.shared.lock()
        {
            // Its place in the heap is passed over when its time comes.
            shared.sleepers.remove(&timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executor() -> Executor {
        Executor::new(0, Seeded::new(1))
    }

    #[test]
    fn time_moves_only_when_nobody_can_run() {
        let executor = executor();
        let log = Arc::new(Mutex::new(Vec::new()));
        for (name, wait) in [("b", 20), ("a", 10)] {
            let (inner, log) = (executor.clone(), log.clone());
            executor.spawn(name, 0, async move {
                inner.sleep(wait).await;
                log.lock().unwrap().push((inner.name().to_string(), inner.now()));
            });
        }
        executor.run_until(15);
        assert_eq!(*log.lock().unwrap(), [("a".to_owned(), 10)]);
        executor.run_until(100);
        assert_eq!(log.lock().unwrap().len(), 2);
        assert_eq!(executor.now(), 20);
        assert!(executor.running().is_empty());
    }

    #[test]
    fn a_killed_process_ends_where_it_stands_and_a_frozen_one_goes_on_later() {
        let executor = executor();
        let log = Arc::new(Mutex::new(Vec::new()));
        let start = |name: &str| {
            let (inner, log) = (executor.clone(), log.clone());
            executor.spawn(name, 0, async move {
                inner.sleep(10).await;
                log.lock().unwrap().push((inner.name().to_string(), inner.now()));
            })
        };
        let (killed, frozen) = (start("killed"), start("frozen"));
        executor.run_until(5);
        executor.kill(killed);
        executor.freeze(frozen, 1000);
        executor.run_until(10_000);
        assert_eq!(*log.lock().unwrap(), [("frozen".to_owned(), 1000)]);
    }
}
