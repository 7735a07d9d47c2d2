//! Messages as each adapter of the queue holds them: any bytes are an error or a message, and a message arrives as it was sent.

use puente::{
    Error, Kind,
    domain::{
        adoption::{Adoption, Made},
        document::Document,
        message::{Arrival, BackfillRequest, Message, News},
        order::Flag,
    },
    fuzzing::{from_sqlite, from_sqs, to_sqlite, to_sqs},
};

use super::{CANARY, check_error, stores::samples};

pub fn queue_messages(data: &[u8]) {
    let sqs = from_sqs(&String::from_utf8_lossy(data));
    for outcome in [sqs, from_sqlite(data)] {
        match outcome {
            Ok(message) => drop(travels(&message)),
            Err(error) => is_refusal(&error),
        }
    }
}

fn is_refusal(error: &Error) {
    assert!(matches!(error.kind(), Kind::Unreadable | Kind::TooLarge), "{error:?}");
    check_error(error);
}

/// The message on the other side of both queues, unless it is too large for one.
pub fn travels(message: &Message) -> Option<Message> {
    let sqs = to_sqs(message).map(|body| from_sqs(&body).expect("SQS: what was sent is read"));
    let sqlite = to_sqlite(message).map(|body| from_sqlite(&body).expect("SQLite: what was sent is read"));
    for arrived in [&sqs, &sqlite] {
        match arrived {
            Ok(arrived) => assert_eq!(arrived, message),
            Err(error) => {
                assert_eq!(error.kind(), Kind::TooLarge);
                check_error(error);
            }
        }
    }
    sqs.ok()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let flag = Flag { code: "unreadable".to_owned(), detail: "id: is not a whole number".to_owned() };
    let mut news: Vec<News> = samples().into_iter().map(|order| News::State { order: order.into() }).collect();
    news.extend([News::Changed, News::Deleted, News::Replay, News::Unmapped { flag, raw: "e30=".to_owned() }]);
    let what = Made::Credit { refund: "9".to_owned(), document: Document { id: "70".to_owned(), number: None } };
    let version = "2026-01-31T10:00:00.000000Z/00000/9f86d081884c7d65".parse().unwrap();
    news.push(News::Adopt { adoption: Box::new(Adoption { what, version, sale: None }) });
    let arrival = |news| {
        Message::Arrival(Arrival {
            connection: "acme".parse().unwrap(),
            order: "1042".parse().unwrap(),
            received: "2026-01-31T10:00:00Z".parse().unwrap(),
            request: CANARY.to_owned(),
            by: Some("ana".into()),
            tries: 3,
            waits: 0,
            news,
        })
    };
    let mut messages: Vec<Message> = news.into_iter().map(arrival).collect();
    messages.push(Message::Wake { erp: "tryton-main".parse().unwrap() });
    let since = "2026-03-01T12:00:00Z".parse().unwrap();
    let (connection, by) = ("shop".parse().unwrap(), Some("ana".to_owned()));
    messages.push(Message::Backfill(BackfillRequest { connection, since, request: "r".to_owned(), by }));
    let bodies = |message: &Message| [to_sqs(message).unwrap().into_bytes(), to_sqlite(message).unwrap()];
    let mut seeds: Vec<Vec<u8>> = messages.iter().flat_map(bodies).collect();
    // What SQS refuses as text travels packed, in base64.
    let odd = arrival(News::Unmapped {
        flag: Flag { code: "unreadable".to_owned(), detail: "\u{FFFE}".to_owned() },
        raw: String::new(),
    });
    seeds.extend(bodies(&odd));
    seeds
}
