//! Writes PEM. RFC 7468 §3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One block.
pub(super) fn text(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    // Base64 is ASCII, so lines can be cut anywhere.
    let lines: Vec<&str> =
        (0..body.len()).step_by(LINE).map(|at| &body[at..body.len().min(at + LINE)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const LINE: usize = 64;
