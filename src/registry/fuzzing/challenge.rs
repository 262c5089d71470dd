use super::super::challenge::{Bearer, ChallengeError, bearers, rewrite};

/// A realm of docxy's, and one that would break out of its quotes if it could.
const REALMS: [&str; 2] = [
    "http://docxy.test/auth/x/token?a=b",
    r#"r",x="\", Bearer realm="evil\"#,
];

/// The value of a `WWW-Authenticate`: its challenges survive being written anew, but for the realms, which are docxy's.
pub fn challenge(data: &[u8]) {
    let found = bearers(data);
    let kept = rewrite(data, |bearer| bearer.realm.clone());
    assert_eq!(kept.as_ref().err(), found.as_ref().err());
    check_other_scheme(data);
    let (Ok(found), Ok(kept)) = (found, kept) else {
        return;
    };
    assert_eq!(bearers(&kept).as_ref(), Ok(&found));
    for realm in REALMS {
        let written = rewrite(data, |_| realm.to_owned()).expect("it has been read");
        assert_same_controls(data, &written);
        let expected = found.iter().map(|bearer| Bearer {
            realm: realm.to_owned(),
            ..bearer.clone()
        });
        let again = bearers(&written);
        assert_eq!(again, Ok(expected.collect()), "{}", written.escape_ascii());
        let again = rewrite(&written, |_| realm.to_owned());
        assert_eq!(
            again,
            Ok(written),
            "writing it anew once more changes nothing"
        );
    }
    let unprintable = rewrite(data, |_| "a\r\nb".to_owned());
    let expected = if found.is_empty() {
        Ok(data.to_vec())
    } else {
        Err(ChallengeError::Text)
    };
    assert_eq!(unprintable, expected);
}

/// Whatever is written behind another scheme passes as it is, if it does not speak of Bearer.
fn check_other_scheme(data: &[u8]) {
    let mut words = data.windows(6);
    if words.any(|word| word.eq_ignore_ascii_case(b"bearer")) {
        return;
    }
    let other = [b"Basic x", data].concat();
    assert_eq!(bearers(&other), Ok(vec![]));
    assert_eq!(rewrite(&other, |_| REALMS[0].to_owned()), Ok(other.clone()));
    if let Ok(written) = rewrite(data, |_| REALMS[0].to_owned()) {
        assert_eq!(written, data, "nothing is there to be rewritten");
    }
}

/// No control byte is there that was not there before, and none in another order.
fn assert_same_controls(before: &[u8], after: &[u8]) {
    let controls = |bytes: &[u8]| {
        let controls = bytes.iter().copied().filter(u8::is_ascii_control);
        controls.collect::<Vec<u8>>()
    };
    let (before, after) = (controls(before), controls(after));
    let mut left = before.iter();
    assert!(
        after
            .iter()
            .all(|control| left.any(|other| other == control))
    );
}
