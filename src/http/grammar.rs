//! Bytes that HTTP's grammar names (RFC 9110 §5.5, §5.6.2).

/// Whether a token may have this byte: `tchar`.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether this is a control byte that no field's value may have: any but the tab.
pub fn is_control(byte: u8) -> bool {
    // Without an early end, so that the compiler can look at many bytes at once.
    (byte != b'\t') & ((byte < b' ') | (byte == 0x7f))
}
