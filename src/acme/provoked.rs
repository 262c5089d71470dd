//! A panic in every attempt, where panics [are provoked](are_provoked).

use crate::panics::are_provoked;

/// Panics.
pub(super) fn in_attempt() {
    assert!(!are_provoked(), "as asked");
}
