//! Tells what a person typed from what a terminal sends by itself: answers to a program's questions, and
//! reports of the focus and the mouse. Pure.

/// What some input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A person typed it, or some of it.
    Typed,
    /// The focus and the mouse, and perhaps answers.
    Reports,
    /// Answers alone.
    Answers,
}

/// What this input is. Sequences that are cut count as typed.
pub(super) fn origin(mut input: &[u8]) -> Origin {
    let mut origin = Origin::Answers;
    if input.is_empty() {
        return Origin::Typed;
    }
    while !input.is_empty() {
        let Some((of_sequence, len)) = first_sequence(input) else { return Origin::Typed };
        if of_sequence == Origin::Reports {
            origin = Origin::Reports;
        }
        input = &input[len..];
    }
    origin
}

/// What the first sequence is, and its length. `None` if a person may have typed it.
fn first_sequence(input: &[u8]) -> Option<(Origin, usize)> {
    match input {
        [0x1b, b'[', b'M', _, _, _, ..] => Some((Origin::Reports, 6)),
        [0x1b, b'[', rest @ ..] => control(rest).map(|(origin, len)| (origin, len + 2)),
        // OSC, DCS and APC: keys send none of them.
        [0x1b, b']' | b'P' | b'_', rest @ ..] => Some((Origin::Answers, string_len(rest)? + 2)),
        _ => None,
    }
}

/// A sequence behind `ESC [`.
fn control(rest: &[u8]) -> Option<(Origin, usize)> {
    let last = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
    let (parameters, end) = (&rest[..last], rest[last]);
    let is_private = parameters.first().is_some_and(|byte| matches!(byte, b'?' | b'>' | b'='));
    let origin = match end {
        b'I' | b'O' if parameters.is_empty() => Origin::Reports,
        b'M' | b'm' if parameters.len() > 1 => Origin::Reports,
        b'c' | b'n' | b'y' | b't' => Origin::Answers,
        b'u' | b'R' if is_private => Origin::Answers,
        b'R' if is_place(parameters) => Origin::Answers,
        _ => return None,
    };
    Some((origin, last + 1))
}

/// The place of the cursor. `1;2` to `1;8` is F3 with Shift and others, too, and counts as that.
fn is_place(parameters: &[u8]) -> bool {
    parameters.contains(&b';') && !matches!(parameters, [b'1', b';', b'2'..=b'8'])
}

/// The length of a string up to the end of its terminator, BEL or `ESC \`.
fn string_len(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b))?;
    match rest[end..] {
        [0x07, ..] => Some(end + 1),
        [0x1b, b'\\', ..] => Some(end + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_typed() {
        let keys = "a|\r|\u{1b}|\u{1b}[A|\u{1b}OP|\u{1b}[15~|\u{1b}[1;2R|\u{1b}[1;5C|\u{1b}[97;5u|\u{1b}[200~c\
            \u{1b}[201~|\u{1b}a|\u{1b}[|\u{1b}]11;rgb:0|\u{1b}P1|\u{1b}[24;80Rx|x\u{1b}[24;80R|\u{1b}]\u{1b}[A";
        for input in keys.split('|').chain([""]) {
            assert_eq!(origin(input.as_bytes()), Origin::Typed, "{input:?}");
        }
    }

    #[test]
    fn answers_and_reports_are_not() {
        let answers = "\u{1b}[24;80R|\u{1b}[?24;80R|\u{1b}[?62;22c|\u{1b}[>1;95;0c|\u{1b}[0n|\u{1b}[?2026;2$y|\
            \u{1b}]11;rgb:0000/0000/0000\u{1b}\\|\u{1b}]10;rgb:f/f/f\u{7}|\u{1b}P>~xterm(1)\u{1b}\\|\
            \u{1b}[8;24;80t|\u{1b}[?1u|\u{1b}_Gi=1;OK\u{1b}\\|\u{1b}[2;1R\u{1b}[?6c";
        for input in answers.split('|') {
            assert_eq!(origin(input.as_bytes()), Origin::Answers, "{input:?}");
        }
        let reports = "\u{1b}[I|\u{1b}[O|\u{1b}[<0;10;10M|\u{1b}[<0;10;10m|\u{1b}[M !!|\u{1b}[32;10;10M|\
            \u{1b}[I\u{1b}[2;1R";
        for input in reports.split('|') {
            assert_eq!(origin(input.as_bytes()), Origin::Reports, "{input:?}");
        }
    }
}
