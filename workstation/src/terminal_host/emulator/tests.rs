//! The emulator against what terminals do, and against itself: on any output, the screen that was updated
//! step by step is the screen made afresh, and a redraw paints it elsewhere.

mod output;

use std::time::Duration;

use alacritty_terminal::grid::Dimensions as _;
use relay_client::app::terminal::{Attributes, Color, CursorShape, MouseReports, Screen, Size, Underline};

use super::*;
use output::Random;

const NOW: Duration = Duration::from_secs(100);

fn size(columns: u16, rows: u16) -> Size {
    Size::new(columns, rows).unwrap()
}

fn fed(columns: u16, rows: u16, output: &str) -> Emulator {
    let mut emulator = Emulator::new(size(columns, rows), 100);
    emulator.feed(output.as_bytes(), NOW);
    emulator
}

fn texts(screen: &Screen) -> Vec<String> {
    screen.rows().iter().map(|row| row.to_text()).collect()
}

#[test]
fn text_colors_and_widths_become_runs() {
    let mut emulator =
        fed(20, 2, "ab\x1b[1;31mcd\x1b[m日本e\u{301}\x1b[4:3;58:2::1:2:3mx\r\n\x1b[48;5;200m \x1b[m y");
    let screen = emulator.screen();
    let runs: Vec<(u16, &str)> =
        screen.rows()[0].runs().iter().map(|run| (run.column, run.text.as_str())).collect();
    assert_eq!(runs, [(0, "ab"), (2, "cd"), (4, "日本"), (8, "e\u{301}"), (9, "x")]);
    let style = |at: usize| &screen.rows()[0].runs()[at].style;
    assert_eq!((style(1).text, style(1).attributes), (Color::Indexed(1), Attributes::BOLD));
    assert_eq!((style(4).underline, style(4).underline_color), (Underline::Curly, Color::Rgb(1, 2, 3)));
    assert_eq!(screen.rows()[1].runs()[0].style.background, Color::Indexed(200));
    assert_eq!(screen.rows()[1].runs()[1].column, 2);
}

#[test]
fn modes_title_bells_and_the_cursor_are_told() {
    let mut emulator = fed(
        20,
        3,
        "\x1b]2;T\x07\x07\x07\x1b[?1049h\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[5 q\x1b[2;3H\x1b[?25l",
    );
    let screen = emulator.screen();
    assert_eq!((screen.title(), screen.bells), ("T", 2));
    assert!(screen.modes.is_alternate && screen.modes.has_bracketed_paste);
    assert_eq!(screen.modes.mouse, MouseReports::Drags);
    let cursor = screen.cursor;
    assert_eq!((cursor.row, cursor.column, cursor.shape), (1, 2, CursorShape::Bar));
    assert!(cursor.is_blinking && !cursor.is_visible);
    let events = emulator.take_events();
    assert_eq!(events, [EmulatorEvent::Title("T".into()), EmulatorEvent::Bells(2)]);
    emulator.feed(b"\x1bc", NOW);
    assert_eq!(emulator.screen().title(), "");
}

#[test]
fn the_child_s_questions_are_answered_within_bounds() {
    let mut emulator = fed(20, 3, "\x1b[c\x1b[6n\x1b]11;?\x07\x1b]11;#102030\x07\x1b]11;?\x07");
    let replies = String::from_utf8(emulator.take_replies()).unwrap();
    assert!(replies.starts_with("\x1b[?6c\x1b[1;1R"), "{replies:?}");
    assert!(replies.contains("11;rgb:1010/2020/3030"), "{replies:?}");
    emulator.feed(&b"\x1b[c".repeat(100_000), NOW);
    assert!(emulator.take_replies().len() <= 64 * 1024);
    assert_eq!(emulator.take_replies(), b"");
}

#[test]
fn the_clipboard_is_told_and_never_given() {
    let mut emulator = fed(20, 3, "\x1b]52;c;aGVsbG8=\x07\x1b]52;c;?\x07");
    assert_eq!(emulator.take_events(), [EmulatorEvent::Clipboard("hello".into())]);
    assert_eq!(emulator.take_replies(), b"");
}

#[test]
fn long_titles_and_endless_commands_are_cut() {
    let mut emulator = fed(20, 3, &format!("\x1b]0;{}\x07", "ä".repeat(5000)));
    assert_eq!(emulator.screen().title().len(), 256);
    emulator.feed(format!("\x1b]0;{}", "x".repeat(1_000_000)).as_bytes(), NOW);
    emulator.feed(b"\x07after", NOW);
    assert_eq!(texts(emulator.screen())[0], "after");
}

#[test]
fn a_flood_of_combining_characters_stays_in_bounds() {
    let mut emulator = fed(20, 3, "e");
    for _ in 0..20 {
        emulator.feed("\u{301}".repeat(30_000).as_bytes(), NOW);
    }
    let cell = &emulator.term.grid()[Line(0)][Column(0)];
    assert_eq!(cell.zerowidth().map(<[char]>::len), Some(COMBINING_MAX));
    assert!(emulator.screen().rows()[0].runs()[0].text.len() <= 32);
}

#[test]
fn events_are_bounded() {
    let mut emulator = fed(20, 3, "");
    emulator.feed(&b"\x1b]9;hello\x07\x07\x1b]7;file:///tmp\x07".repeat(10_000), NOW);
    assert!(emulator.take_events().len() <= EVENTS_MAX + 5);
}

#[test]
fn a_synchronized_update_is_shown_whole_or_after_its_time() {
    let mut emulator = fed(20, 3, "\x1b[?2026hab");
    assert_eq!(texts(emulator.screen())[0], "");
    emulator.feed(b"c\x1b[?2026l", NOW);
    assert_eq!(texts(emulator.screen())[0], "abc");
    assert_eq!(emulator.poll_timeout(), None);
    emulator.feed(b"\x1b[?2026hd", NOW);
    let at = emulator.poll_timeout().unwrap();
    emulator.on_timeout(at - Duration::from_millis(1));
    assert_eq!(texts(emulator.screen())[0], "abc");
    emulator.on_timeout(at);
    assert_eq!(texts(emulator.screen())[0], "abcd");
    assert_eq!(emulator.poll_timeout(), None);
}

#[test]
fn lines_that_scroll_off_keep_their_numbers() {
    let mut emulator = Emulator::new(size(20, 3), 10);
    let mut written = 0_u64;
    for step in [1, 2, 5, 3, 9, 4, 7] {
        for _ in 0..step {
            emulator.feed(format!("line {written}\r\n").as_bytes(), NOW);
            written += 1;
        }
        let history = emulator.history();
        // The last two lines and the cursor's are on the screen.
        assert_eq!(history.end, written.saturating_sub(2), "after {written}");
        assert_eq!(u64::from(history.lines), history.end.min(10));
        assert_eq!(history.generation, 0);
        let (first, rows) = emulator.scrollback(0..u64::MAX);
        assert_eq!(first, history.first());
        for (number, row) in (first..).zip(&rows) {
            assert_eq!(row.to_text(), format!("line {number}"));
        }
    }
    assert_eq!(emulator.scrollback(10..12).1.len(), 0, "those are gone");
    let end = emulator.history().end;
    assert_eq!(emulator.scrollback(end - 2..end).1.len(), 2);
}

#[test]
fn numbers_begin_a_new_generation_when_they_are_lost() {
    let mut emulator = Emulator::new(size(20, 3), 10);
    emulator.feed("x\r\n".repeat(8).as_bytes(), NOW);
    let before = emulator.history();
    emulator.feed("y\r\n".repeat(50).as_bytes(), NOW);
    let flooded = emulator.history();
    assert_eq!((flooded.generation > before.generation, flooded.lines), (true, 10));
    emulator.feed(b"\x1b[3J", NOW);
    let cleared = emulator.history();
    assert_eq!((cleared.generation, cleared.lines), (flooded.generation + 1, 0));
    emulator.resize(size(30, 3));
    assert_ne!(emulator.history().generation, cleared.generation);
    assert!(emulator.history().end >= flooded.end);
}

#[test]
fn a_full_screen_program_hides_history_and_keeps_the_numbers() {
    let mut emulator = Emulator::new(size(20, 3), 10);
    emulator.feed("x\r\n".repeat(8).as_bytes(), NOW);
    let before = emulator.history();
    emulator.feed("z\r\n\x1b[?1049h".as_bytes(), NOW);
    assert_eq!(emulator.history().lines, 0);
    emulator.feed("q\r\n".repeat(30).as_bytes(), NOW);
    emulator.feed(b"\x1b[?1049l", NOW);
    let after = emulator.history();
    assert_eq!((after.generation, after.end), (before.generation, before.end + 1));
    let shown = emulator.scrollback(0..u64::MAX).1;
    assert!(shown.iter().all(|row| row.to_text() == "x"), "the mark is not shown");
}

#[test]
fn a_flood_in_one_piece_leaves_what_it_leaves_in_many() {
    let texts = [
        "a line\r\n",
        "wrap wrap wrap wrap\r\n",
        "日本\tx\r\n",
        "e\u{301}\n",
        "\r\n",
        "left",
        "\x1b[31m",
        "\x1b[44;1m",
        "\x1b[0m",
        "\x1b[2;3r",
    ];
    let (mut skipped, lines) = (0, |emulator: &Emulator| emulator.scrollback(0..u64::MAX).1);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let (mut whole, mut pieces) = (Emulator::new(size(12, 6), 10), Emulator::new(size(12, 6), 10));
        // Margins come seldom, so that many outputs are plain text and colors.
        let kinds = if random.below(3) == 0 { texts.len() } else { texts.len() - 1 };
        for _ in 0..4 {
            let count = random.below(120);
            let output: String = (0..count).map(|_| texts[random.below(kinds)]).collect();
            let generation = whole.history().generation;
            whole.feed(output.as_bytes(), NOW);
            output.as_bytes().chunks(7).for_each(|piece| pieces.feed(piece, NOW));
            skipped += usize::from(whole.history().generation != generation);
            let (here, there) = (painted(whole.screen()), painted(pieces.screen()));
            assert_eq!(here, there, "seed {seed}: {output:?}");
            assert_eq!(lines(&whole), lines(&pieces), "seed {seed}: {output:?}");
        }
    }
    assert!(skipped > 50, "{skipped} times only");
}

#[test]
fn text_is_laid_out_again_for_another_width() {
    let mut emulator = fed(10, 3, "abcdefghijKLM");
    assert!(emulator.screen().rows()[0].is_wrapped());
    emulator.resize(size(20, 3));
    assert_eq!(texts(emulator.screen())[0], "abcdefghijKLM");
    assert_eq!(emulator.screen().size(), size(20, 3));
}

#[test]
fn a_fault_of_the_library_leaves_a_blank_terminal_that_works() {
    let mut emulator = fed(20, 3, "\x1b]2;T\x07text");
    emulator.start_over();
    emulator.feed(b"more", NOW);
    assert_eq!(texts(emulator.screen())[0], "more");
    assert_eq!(emulator.screen().title(), "T");
    assert!(emulator.take_events().contains(&EmulatorEvent::Failed));
}

/// The screen made afresh, without damage.
fn afresh(emulator: &mut Emulator) -> Screen {
    let mut screen = emulator.screen().clone();
    for line in 0..emulator.term.screen_lines() {
        screen.set_row(line, cells::row(&emulator.term, screen_line(line)));
    }
    screen
}

/// True if no sequence can put the cursor where it is: rows count from the margin, and it is outside.
fn is_outside_margins(emulator: &Emulator) -> bool {
    let Some(margins) = emulator.scanner.margins() else { return false };
    let bottom = if margins.bottom == 0 { u16::MAX } else { margins.bottom };
    let row = emulator.term.grid().cursor.point.line.0 + 1;
    let is_inside = (i32::from(margins.top)..=i32::from(bottom)).contains(&row);
    emulator.term.mode().contains(TermMode::ORIGIN) && !is_inside
}

/// What both terminals show; a terminal whose child set no title may keep its own.
fn both(emulator: &mut Emulator, other: &mut Emulator) -> (Screen, Screen) {
    let (here, mut there) = (painted(emulator.screen()), painted(other.screen()));
    if here.title().is_empty() {
        there.set_title("");
    }
    (here, there)
}

/// What a redraw paints: all but the history, the bells and the wraps.
fn painted(screen: &Screen) -> Screen {
    let mut painted = Screen::new(screen.size());
    for (at, row) in screen.rows().iter().enumerate() {
        let mut builder = relay_client::app::terminal::RowBuilder::new();
        let mut column = 0;
        for run in row.runs() {
            builder.skip(usize::from(run.column) - column);
            if run.width.is_one_cell() {
                builder.push(&run.text, run.width.cell_columns() == 2, &run.style);
            } else {
                for char in run.text.chars() {
                    builder.push(char.encode_utf8(&mut [0; 4]), run.width.cell_columns() == 2, &run.style);
                }
            }
            column = run.end();
        }
        painted.set_row(at, builder.finish(false));
    }
    painted.set_title(screen.title());
    painted.cursor = screen.cursor;
    painted.modes = screen.modes;
    painted
}

#[test]
fn any_output_updates_the_screen_as_if_it_were_made_afresh() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut emulator = Emulator::new(size(12, 6), 20);
        for step in 0..60 {
            match random.below(12) {
                0 => emulator.resize(size(2 + random.below(20) as u16, 1 + random.below(10) as u16)),
                1 => emulator.on_timeout(NOW + SYNC_MAX),
                _ => emulator.feed(&random.output(), NOW),
            }
            let afresh = afresh(&mut emulator);
            assert_eq!(*emulator.screen(), afresh, "seed {seed}, step {step}");
        }
        assert!(!emulator.take_events().contains(&EmulatorEvent::Failed), "seed {seed}");
    }
}

#[test]
fn a_redraw_paints_the_screen_on_another_terminal_that_then_goes_on_alike() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let size = size(12, 6);
        let mut emulator = Emulator::new(size, 20);
        for _ in 0..random.below(40) {
            emulator.feed(&random.output(), NOW);
        }
        let mut other = Emulator::new(size, 20);
        other.feed(&random.output(), NOW);
        let redraw = emulator.redraw();
        if is_outside_margins(&emulator) {
            continue;
        }
        other.feed(&redraw, NOW);
        let shown = String::from_utf8_lossy(&redraw).into_owned();
        let (here, there) = both(&mut emulator, &mut other);
        assert_eq!(there, here, "seed {seed}: {shown:?}");
        // Tab stops are not known, nor the screen below a full-screen program's.
        if random.used_more_than_a_redraw_knows() {
            continue;
        }
        for step in 0..5 {
            let output = random.output();
            emulator.feed(&output, NOW);
            other.feed(&output, NOW);
            let (here, there) = both(&mut emulator, &mut other);
            let output = String::from_utf8_lossy(&output).into_owned();
            assert_eq!(there, here, "seed {seed}, step {step}: {shown:?} then {output:?}");
            if random.used_more_than_a_redraw_knows() {
                break;
            }
        }
    }
}

#[test]
fn the_screen_below_a_full_screen_program_is_painted_when_that_ends() {
    let mut emulator = fed(20, 5, "below\x1b[?1049h\x1b[Habove");
    let mut other = fed(20, 5, "");
    other.feed(&emulator.redraw(), NOW);
    assert_eq!(texts(other.screen())[0], "above");
    assert_eq!(emulator.poll_owed_redraw(), None);
    for terminal in [&mut emulator, &mut other] {
        terminal.feed(b"\x1b[?1049l$", NOW);
    }
    other.feed(&emulator.poll_owed_redraw().unwrap(), NOW);
    assert_eq!(texts(other.screen())[0], "below$");
    assert_eq!(emulator.poll_owed_redraw(), None);
}

#[test]
fn what_restores_a_window_leaves_no_mode() {
    let all = "text\x1b[?1049h\x1b[?2004h\x1b[?1003h\x1b[?1006h\
        \x1b[?1004h\x1b[?1h\x1b=\x1b[20h\x1b[4h\x1b[?25l\
        \x1b[3 q\x1b[1;4;31m\x1b]4;1;#112233\x07\x1b[2;3r\x1b[?6h\x1b(0\x1b[?7l\x1b]8;;http://a\x07\x0e\x1bP";
    for cut in 0..all.len() {
        let mut emulator = fed(20, 5, &all[..cut]);
        emulator.feed(RESTORE, NOW);
        let mut fresh = fed(20, 5, "");
        assert_eq!(emulator.screen().modes, fresh.screen().modes, "{cut}");
        assert_eq!(emulator.term.mode(), fresh.term.mode(), "{cut}");
        assert_eq!(emulator.term.colors()[1], None);
        emulator.feed(b"\x1b[5;2Hq\nx", NOW);
        let rows = emulator.screen().rows();
        assert_eq!(rows[3].to_text().trim_start(), "q", "{cut}");
        assert_eq!(rows[4].runs().last().unwrap().style, Default::default(), "{cut}");
    }
}
