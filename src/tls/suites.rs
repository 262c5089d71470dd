//! In which order the listeners prefer cipher suites. All of rustls's have forward secrecy and authenticated encryption, so
//! the fastest is the best: docxy serves many clients, and is often the weaker machine.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

/// The same suites, those first that this machine does fastest.
pub(super) fn in_order(provider: Arc<CryptoProvider>) -> Arc<CryptoProvider> {
    let mut provider = Arc::unwrap_or_clone(provider);
    let has_aes = has_aes();
    provider
        .cipher_suites
        .sort_by_key(|suite| rank(suite.suite(), has_aes));
    Arc::new(provider)
}

fn rank(suite: CipherSuite, has_aes: bool) -> u8 {
    use CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
    };
    match suite {
        TLS13_CHACHA20_POLY1305_SHA256
        | TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            if has_aes {
                3
            } else {
                0
            }
        }
        TLS13_AES_128_GCM_SHA256
        | TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => u8::from(!has_aes),
        _ => 2,
    }
}

/// Whether AES and the multiplication of its GCM mode are instructions here.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha_comes_first_where_aes_is_slow_and_last_where_it_is_fast() {
        let suites = super::super::provider().cipher_suites.clone();
        let first = |has_aes| {
            let suites = suites.iter().map(|suite| suite.suite());
            suites.min_by_key(|&suite| rank(suite, has_aes)).unwrap()
        };
        assert_eq!(first(true), CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(first(false), CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    }

    #[test]
    fn every_suite_has_forward_secrecy_and_authenticated_encryption() {
        for suite in &in_order(super::super::provider()).cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(
                name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"),
                "{name}"
            );
            assert!(
                name.contains("_GCM_") || name.contains("_POLY1305_"),
                "{name}"
            );
        }
    }
}
