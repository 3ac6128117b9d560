//! What changed from one screen to the next.

use std::sync::Arc;

use super::row::Row;
use super::screen::Screen;
use super::update::{Rows, Scroll, Update};

/// The change from `old` to `new` as update `seq`, which follows `based_on`.
pub(super) fn difference<'a>(old: &Screen, new: &'a Screen, seq: u64, based_on: u64) -> Update<'a> {
    let resized = old.size() != new.size();
    let is_first = based_on == 0;
    let (scroll, rows) =
        if resized || is_first { (None, all_drawn_rows(new)) } else { changed_rows(old.rows(), new.rows()) };
    let mut update = Update {
        seq,
        based_on,
        size: (resized || is_first).then(|| new.size()),
        cursor: (is_first || old.cursor != new.cursor).then_some(new.cursor),
        modes: (is_first || old.modes != new.modes).then_some(new.modes),
        title: (old.title() != new.title()).then(|| new.title()),
        history: (is_first || old.history != new.history).then_some(new.history),
        bells: (old.bells != new.bells).then_some(new.bells),
        scroll,
        rows: Rows::Borrowed(rows),
    };
    // After a change of the size the reader's cursor may have been moved to fit.
    if resized {
        update.cursor = Some(new.cursor);
    }
    update
}

/// The rows of a screen that was blank.
fn all_drawn_rows(new: &Screen) -> Vec<(usize, &Row)> {
    let rows = new.rows().iter().enumerate().map(|(at, row)| (at, &**row));
    rows.filter(|(_, row)| **row != Row::default()).collect()
}

/// The rows that differ, after a scroll if that leaves fewer.
fn changed_rows<'a>(old: &[Arc<Row>], new: &'a [Arc<Row>]) -> (Option<Scroll>, Vec<(usize, &'a Row)>) {
    let in_place = differing(old, new, None);
    if in_place.len() < 3 {
        return (None, in_place);
    }
    let (top, bottom) = (in_place[0].0, in_place[in_place.len() - 1].0 + 1);
    let scrolled =
        best_scroll(old, new, top, bottom).map(|scroll| (scroll, differing(old, new, Some(scroll))));
    match scrolled {
        Some((scroll, rows)) if rows.len() < in_place.len() => (Some(scroll), rows),
        _ => (None, in_place),
    }
}

fn differing<'a>(old: &[Arc<Row>], new: &'a [Arc<Row>], scroll: Option<Scroll>) -> Vec<(usize, &'a Row)> {
    let before = |at: usize| match scroll {
        Some(scroll) if (scroll.top..scroll.bottom).contains(&at) => {
            let height = scroll.bottom - scroll.top;
            &old[scroll.top + (at - scroll.top + scroll.lines) % height]
        }
        _ => &old[at],
    };
    let rows = new.iter().enumerate().filter(|(at, row)| !is_same(row, before(*at)));
    rows.map(|(at, row)| (at, &**row)).collect()
}

/// The scroll of `top..bottom` after which the most rows that show something are in place.
fn best_scroll(old: &[Arc<Row>], new: &[Arc<Row>], top: usize, bottom: usize) -> Option<Scroll> {
    let height = bottom - top;
    let (old, new) = (&old[top..bottom], &new[top..bottom]);
    let matches = |lines: usize| {
        let pairs = new.iter().enumerate().map(|(at, row)| (row, &old[(at + lines) % height]));
        pairs.filter(|(row, before)| !row.is_blank() && is_same(row, before)).count()
    };
    let (count, lines) = (1..height).map(|lines| (matches(lines), lines)).max_by_key(|(count, lines)| {
        // Of equals, the shortest way up.
        (*count, std::cmp::Reverse(*lines))
    })?;
    (count > 0).then_some(Scroll { top, bottom, lines })
}

fn is_same(a: &Arc<Row>, b: &Arc<Row>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
