use protocol::ids::SessionId;

use super::*;

fn page() -> Page {
    let hash = SessionId::parse("3f4ffe2e903d2b0a2734e470a987e39b").unwrap().hash();
    let rows = vec![
        vec![Cell::Session(hash), "<linked>".into(), Cell::Bytes(1 << 20), Cell::Secs(3_700)],
        vec![Cell::Session(hash), "alone".into(), Cell::Bytes(7), Cell::Absent],
    ];
    let columns = &["session", "state", "bytes", "idle_secs"];
    Page {
        title: "sessions",
        parts: vec![
            Part::Facts(vec![("store", "a \"b\"".into()), ("uptime_secs", Cell::Secs(61))]),
            Part::Table(Table { name: "sessions", columns, rows, all: 5, in_blocks: false }),
        ],
    }
}

#[test]
fn text_is_aligned_and_says_what_it_leaves_out() {
    let tag = SessionId::parse("3f4ffe2e903d2b0a2734e470a987e39b").unwrap().log_tag();
    let expected = format!(
        "store        a \"b\"\n\
         uptime_secs  1m01s\n\
         \n\
         sessions:\n\
         SESSION   STATE       BYTES  IDLE SECS\n\
         {tag}  <linked>  1.0 MiB      1h01m\n\
         {tag}  alone         7 B          -\n\
         (2 of 5 are shown)\n"
    );
    assert_eq!(page().write(Format::Text), expected);
}

#[test]
fn a_block_has_the_whole_hash() {
    let mut page = page();
    let Part::Table(table) = &mut page.parts[1] else { panic!() };
    table.in_blocks = true;
    let Cell::Session(hash) = table.rows[0][0] else { panic!() };
    let text = page.write(Format::Text);
    assert!(text.contains(&format!("\nsession    {hash}\n")), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn html_has_no_script_and_no_markup_of_others() {
    let html = page().write(Format::Html);
    assert!(html.contains("&lt;linked&gt;") && html.contains("2 of 5 are shown"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<linked>") && !html.contains("src="), "{html}");
}

#[test]
fn json_has_exact_numbers_and_both_names_of_a_session() {
    let hash = SessionId::parse("3f4ffe2e903d2b0a2734e470a987e39b").unwrap().hash();
    let expected = format!(
        "{{\"store\":\"a \\\"b\\\"\",\"uptime_secs\":61,\"sessions_all\":5,\"sessions\":[\
         {{\"session\":\"{0}\",\"hash\":\"{hash}\",\"state\":\"<linked>\",\"bytes\":1048576,\"idle_secs\":3700}},\
         {{\"session\":\"{0}\",\"hash\":\"{hash}\",\"state\":\"alone\",\"bytes\":7,\"idle_secs\":null}}]}}\n",
        hash.tag()
    );
    assert_eq!(page().write(Format::Json), expected);
}

#[test]
fn numbers_are_short_for_people() {
    for (cell, text) in [
        (Cell::Bytes(1023), "1023 B"),
        (Cell::Bytes(1024), "1.0 KiB"),
        (Cell::Bytes(u64::MAX), "16777216.0 TiB"),
        (Cell::Secs(59), "59s"),
        (Cell::Secs(90_061), "1d01h"),
    ] {
        assert_eq!(cell.to_string(), text);
    }
}
