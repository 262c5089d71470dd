//! When a certificate is renewed, and how long docxy waits after a failure. Pure: the time and the luck are parameters.

use std::time::{Duration, SystemTime};

use crate::tls::validity::Validity;

/// After the first failure; then three times as long each. Let's Encrypt forgives five failures an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const GROWTH: u32 = 3;

/// Never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Never shorter, whatever a certificate says of itself.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// However short a certificate lives, several tries fit between its renewal and its end.
const PAUSES_IN_A_LIFE: u32 = 12;

/// Renewals of many docxies that were started at once drift apart by up to this part of a lifetime.
const DRIFT: u32 = 50;

/// When to renew: at two thirds of the lifetime, and a little later by luck, which is 0 to 1.
pub fn due(validity: Validity, luck: f64) -> SystemTime {
    let life = validity.lifetime();
    validity.from + life / 3 * 2 + (life / DRIFT).mul_f64(luck)
}

/// How long nothing is ordered after a certificate has come, whatever the clock says: a wrong one must not make docxy
/// order without end.
pub fn rest(validity: Validity) -> Duration {
    (validity.lifetime() / 3).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// How long to wait after so many failures in a row, give or take a quarter by luck, which is 0 to 1.
pub fn pause(failures: u32, held: Option<Validity>, luck: f64) -> Duration {
    let cap = held.map_or(LONGEST_PAUSE, |validity| {
        (validity.lifetime() / PAUSES_IN_A_LIFE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    });
    let growth = GROWTH.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(growth).min(cap);
    pause.mul_f64(0.75 + luck / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    fn valid_for(seconds: u64) -> Validity {
        let from = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 * DAY);
        Validity {
            from,
            until: from + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn renewal_is_at_two_thirds() {
        let validity = valid_for(90 * DAY);
        let after = |luck| due(validity, luck).duration_since(validity.from).unwrap();
        assert_eq!(after(0.0), Duration::from_secs(60 * DAY));
        assert!(after(1.0) > after(0.5) && after(1.0) < Duration::from_secs(62 * DAY));
    }

    #[test]
    fn pauses_grow_to_an_hour_and_fit_into_the_life() {
        let life = Some(valid_for(90 * DAY));
        for (failures, seconds) in [
            (1, 60),
            (2, 180),
            (3, 540),
            (4, 1620),
            (5, HOUR),
            (99, HOUR),
        ] {
            for held in [None, life] {
                assert_eq!(pause(failures, held, 0.5), Duration::from_secs(seconds));
            }
        }
        assert_eq!(pause(9, Some(valid_for(24)), 0.5), Duration::from_secs(2));
        assert_eq!(pause(1, None, 0.0), Duration::from_secs(45));
        assert_eq!(pause(1, None, 1.0), Duration::from_secs(75));
        assert_eq!(rest(valid_for(90 * DAY)), LONGEST_PAUSE);
        assert_eq!(rest(valid_for(9)), Duration::from_secs(3));
    }

    #[test]
    fn a_certificate_without_a_life_is_no_trap() {
        let validity = valid_for(0);
        assert_eq!(due(validity, 1.0), validity.from);
        assert_eq!(pause(3, Some(validity), 0.5), SHORTEST_PAUSE);
        assert_eq!(rest(validity), SHORTEST_PAUSE);
    }
}
