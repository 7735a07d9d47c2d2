//! The outside parts of tests set themselves up once, and leave nothing running behind.

use std::{fs, net::TcpStream, process::Command};

use crate::support::venv::{free_port, once, start};

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_server_ends_with_its_handle() {
    let port = free_port();
    let mut command = Command::new("python3");
    command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let server = start(command, port, answers);
    assert!(answers(server.port));
    drop(server);
    assert!(!answers(port));
}

#[test]
#[should_panic(expected = "did not start")]
fn a_server_that_ends_at_once_is_told_with_its_log() {
    let mut command = Command::new("python3");
    command.args(["-c", "raise SystemExit('no such option')"]);
    start(command, free_port(), answers);
}

#[test]
fn what_is_made_once_is_made_once() {
    let root = tempfile::tempdir().unwrap();
    let made = root.path().join("thing");
    let count = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                once(&made, |directory| {
                    count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    fs::create_dir_all(directory).unwrap();
                });
            });
        }
    });
    assert_eq!(count.into_inner(), 1);
}

#[test]
fn a_killed_test_process_leaves_no_server() {
    // As the kernel does when the test process is killed: the pipe closes, nobody calls a destructor.
    let port = free_port();
    let mut watchdog = Command::new("python3");
    watchdog.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/support/watchdog.py"));
    watchdog.args(["python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    watchdog.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(std::process::Stdio::piped());
    let mut child = watchdog.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !answers(port) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!answers(port));
}
