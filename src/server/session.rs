//! One client's connection: requests are read, answered and logged, one after another, until one of them ends it.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::answer::{Answer, NOT_TLS};
use crate::conn::{Conn, ReadHeadError};
use crate::http::head::{HeadError, REQUEST_LIMITS, RequestHead};
use crate::limits::admission::{Admission, Full, Place};
use crate::limits::crowd::Crowd;
use crate::proxy::current::Current;
use crate::proxy::{Done, Peer, Proxy, Trace};
use crate::server::beat::Beat;
use crate::server::exchange::{Exchange, Next};
#[cfg(debug_assertions)]
use crate::server::provoked;
use crate::stop::Stop;
use crate::timeouts;

/// The first byte of a TLS record that holds a handshake (RFC 8446 §5.1).
pub const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// Serves one connection until its end.
pub async fn serve(
    current: &Current,
    admission: &Admission,
    mut client: Conn,
    peer: Peer,
    mut stop: Stop,
    beat: &Beat,
) {
    let mut is_there = wait_for_first_request(&mut client, &mut stop, &admission.idle).await;
    while is_there {
        // Apart, as are all the ends, so that a connection that is idle keeps no room for it.
        let some = serve_some(current, admission, &mut client, &peer, &stop, beat);
        match Box::pin(some).await {
            Next::Again => {}
            Next::Close => return Box::pin(client.linger()).await,
            Next::Drop => return,
            Next::Reset => return client.reset(),
        }
        is_there = wait_for_request(&mut client, &mut stop, &admission.idle).await;
    }
    Box::pin(client.close()).await;
}

/// Finds an ordinary place for a connection that has a spare one, once it has something to say.
pub async fn settle(
    admission: &Admission,
    place: &mut Place,
    client: &mut Conn,
) -> io::Result<Result<(), Full>> {
    timeout(timeouts::SPARE_PLACE, client.idle()).await??;
    Ok(admission.settle(place).await)
}

/// Answers one request of a connection for which there is no room: health checks as ever, all else with 503.
pub async fn turn_away(
    proxy: &Proxy,
    heads: &Crowd,
    mut client: Conn,
    peer: &Peer,
    full: Full,
    stop: &Stop,
) {
    let request = read_request(&mut client, heads);
    let Ok(Ok(head)) = timeout(timeouts::SPARE_PLACE, request).await else {
        return;
    };
    let exchange = Exchange::new(proxy, &mut client, peer, &head).without_room(full);
    if exchange.run(stop).await == Next::Close {
        client.linger().await;
    }
}

/// A connection that was let in before a stop has its request on the way; whoever took over the listener cannot answer it.
async fn wait_for_first_request(client: &mut Conn, stop: &mut Stop, idle: &Crowd) -> bool {
    if wait_for_request(client, stop, idle).await {
        return true;
    }
    let on_the_way = timeout(timeouts::FIRST_REQUEST, client.idle());
    stop.is_requested() && matches!(on_the_way.await, Ok(Ok(())))
}

/// Only here, where nothing is under way, does a stop end a connection, or another that needs its place.
async fn wait_for_request(client: &mut Conn, stop: &mut Stop, idle: &Crowd) -> bool {
    if !client.buffered().is_empty() {
        return true;
    }
    tokio::select! {
        biased;
        readable = timeout(timeouts::CLIENT_IDLE, client.idle()) => matches!(readable, Ok(Ok(()))),
        () = stop.requested() => false,
        () = idle.pushed_out() => false,
    }
}

/// Answers requests for as long as the next one comes soon, as it does in the middle of a pull: to wait for a stop as well,
/// and to give up and get back what a request takes, costs more than it is worth then.
async fn serve_some(
    current: &Current,
    admission: &Admission,
    client: &mut Conn,
    peer: &Peer,
    stop: &Stop,
    beat: &Beat,
) -> Next {
    loop {
        let next = serve_one(current, admission, client, peer, stop).await;
        if next != Next::Again {
            return next;
        }
        tokio::select! {
            biased;
            readable = client.idle() => if readable.is_err() {
                return next;
            },
            () = beat.two() => return next,
        }
    }
}

async fn serve_one(
    current: &Current,
    admission: &Admission,
    client: &mut Conn,
    peer: &Peer,
    stop: &Stop,
) -> Next {
    let read = read_request(client, &admission.heads).await;
    let proxy = &current.get();
    let head = match read {
        Ok(head) => head,
        Err(ReadHeadError::Closed | ReadHeadError::Cut | ReadHeadError::Io(_)) => {
            return Next::Drop;
        }
        Err(ReadHeadError::Head(_)) if client.buffered().first() == Some(&TLS_HANDSHAKE_RECORD) => {
            return send_and_close(client, NOT_TLS).await;
        }
        Err(ReadHeadError::Head(error)) => {
            return refuse(proxy, client, peer, refusal_of_head(error)).await;
        }
        Err(ReadHeadError::TimedOut) => {
            let limit = humantime::format_duration(timeouts::CLIENT_HEAD);
            let answer = Answer::fatal(
                408,
                "UNKNOWN",
                format_args!("no whole request head came within {limit}"),
            );
            return refuse(proxy, client, peer, answer).await;
        }
    };
    #[cfg(debug_assertions)]
    provoked::in_task(&head);
    Exchange::new(proxy, client, peer, &head).run(stop).await
}

async fn read_request(client: &mut Conn, heads: &Crowd) -> Result<RequestHead, ReadHeadError> {
    let deadline = Instant::now() + timeouts::CLIENT_HEAD;
    let bytes = tokio::select! {
        biased;
        bytes = client.read_head(REQUEST_LIMITS, deadline, RequestHead::check_partial) => bytes?,
        // Among so many who stall, an answer would be wasted.
        () = heads.pushed_out() => return Err(ReadHeadError::Io(io::ErrorKind::ConnectionAborted.into())),
    };
    RequestHead::parse(bytes).map_err(ReadHeadError::Head)
}

fn refusal_of_head(error: HeadError) -> Answer {
    let status = match error {
        HeadError::FirstLineTooLong => 414,
        HeadError::TooLong | HeadError::TooManyFields => 431,
        HeadError::Version => 505,
        _ => 400,
    };
    Answer::fatal(status, "UNSUPPORTED", error)
}

/// Answers what is no request, and closes.
async fn refuse(proxy: &Proxy, client: &mut Conn, peer: &Peer, answer: Answer) -> Next {
    let status = answer.status;
    let (head, body) = answer.write(b"GET", |head| head.field("Connection", "close"));
    let _ = client
        .write_all([&head, &body], proxy.shared.timeouts.client)
        .await;
    let done = Done {
        method: "-",
        path: "-",
        status,
        bytes: body.len() as u64,
        duration: Duration::ZERO,
    };
    proxy.conclude(peer, &Trace::default(), &done);
    Next::Close
}

async fn send_and_close(client: &mut Conn, whole: &[u8]) -> Next {
    let _ = client.write_all([whole], timeouts::CLIENT_HEAD).await;
    Next::Close
}
