//! Asks once more where a CDN may answer better another time: it has a bad moment, or it refuses a signed URL.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::http::retry_after::retry_after;
use crate::registry::redirect::Trail;
use crate::registry::rewrite::Source;
use crate::upstream::Over;
use crate::upstream::fault::{Fault, UpstreamError};
use crate::upstream::reply::Reply;
use crate::upstream::tries::spread;

use super::journey::{Journey, Mishap};
use super::{Proxy, Trace};

/// The pause before a CDN is asked once more that does not say how long it wants.
const A_MOMENT: Duration = Duration::from_millis(200);

/// Keeps apart, by once to twice as much, those whom a CDN has told the same.
const JITTER: Duration = Duration::from_millis(100);

/// The longest that a CDN may ask to wait; after that the client is better told.
const LONGEST_MOMENT: Duration = Duration::from_secs(5);

impl Proxy {
    /// [Travels](Proxy::travel), and tries again what a redirect's target may answer better another time.
    pub(crate) async fn insist(
        &self,
        journey: &mut Journey<'_>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Mishap> {
        let answer = self.send(journey, trace).await;
        let leads_on = matches!(&answer, Ok(reply) if self.leads_on(journey, reply).is_some());
        if journey.trail.hops() == 0 && !leads_on {
            return Ok(answer?);
        }
        // Apart: a request that is not redirected keeps no room for what would follow.
        Box::pin(self.insist_behind(journey, answer, trace)).await
    }

    /// The same behind a redirect, from the first answer on.
    async fn insist_behind(
        &self,
        journey: &mut Journey<'_>,
        first: Result<Box<Reply>, UpstreamError>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Mishap> {
        let reply = self.bear_with(journey, first, trace).await?;
        if !is_expired(journey, &reply) || journey.tries.again_after(Duration::ZERO).is_none() {
            return Ok(reply);
        }
        self.note_retries(journey, 1, trace);
        reply.discard(&self.client);
        journey.trail = Trail::new(journey.trail.first().clone(), None);
        let again = self.send(journey, trace).await;
        Box::pin(self.bear_with(journey, again, trace)).await
    }

    /// Travels on from `first`, and once more to a CDN that has a bad moment.
    async fn bear_with(
        &self,
        journey: &mut Journey<'_>,
        first: Result<Box<Reply>, UpstreamError>,
        trace: &mut Trace,
    ) -> Result<Box<Reply>, Mishap> {
        let answer = match first {
            Ok(reply) => self.follow(journey, reply, trace).await,
            Err(error) => Err(error.into()),
        };
        let pause = moment(journey, &answer).map(|wait| wait + spread(JITTER));
        let pause = pause.and_then(|pause| journey.tries.again_after(pause));
        let Some(pause) = pause else {
            return answer;
        };
        self.note_retries(journey, 1, trace);
        let (asked, in_ms) = (trace.asked(), pause.as_millis());
        self.shared.log.debug(format_args!(
            "{asked}: a bad moment; another try in {in_ms} ms"
        ));
        if let Ok(reply) = answer {
            reply.discard(&self.client);
        }
        sleep(pause).await;
        // Another connection may lead to another machine.
        journey.over = Over::Fresh;
        Box::pin(self.travel(journey, trace)).await
    }
}

/// Whether this is how a CDN refuses a signed URL; the registry may have another one.
fn is_expired(journey: &Journey<'_>, reply: &Reply) -> bool {
    matches!(reply.head.status, 400 | 403)
        && journey.method == b"GET"
        && journey.source() != Source::Upstream
}

/// How long to wait for a better answer of a CDN than this one; `None` if it is to stand.
fn moment(journey: &Journey<'_>, answer: &Result<Box<Reply>, Mishap>) -> Option<Duration> {
    if journey.method != b"GET" || journey.trail.hops() == 0 {
        return None;
    }
    let reply = match answer {
        Ok(reply) => reply,
        Err(Mishap::Upstream(error)) if matches!(error.fault, Fault::Broken(_)) => {
            return Some(A_MOMENT);
        }
        Err(_) => return None,
    };
    let asked_for = reply.head.fields.first("retry-after");
    let asked_for = asked_for.and_then(|value| retry_after(value, SystemTime::now()));
    pause_after(reply.head.status, asked_for)
}

/// The pause after an answer with this status that asks for this wait.
fn pause_after(status: u16, asked_for: Option<Duration>) -> Option<Duration> {
    match (status, asked_for) {
        (429 | 502 | 503 | 504, Some(wait)) => (wait <= LONGEST_MOMENT).then(|| wait.max(A_MOMENT)),
        (502..=504, None) => Some(A_MOMENT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_moment_takes_as_long_as_the_cdn_says_and_five_seconds_at_most() {
        let table = [
            (503, None, Some(200)),
            (429, None, None),
            (500, Some(1), None),
            (429, Some(0), Some(200)),
            (429, Some(1), Some(1000)),
            (504, Some(5), Some(5000)),
            (502, Some(6), None),
        ];
        for (status, asked_for, pause) in table {
            let found = pause_after(status, asked_for.map(Duration::from_secs));
            assert_eq!(
                found,
                pause.map(Duration::from_millis),
                "{status} {asked_for:?}"
            );
        }
    }
}
