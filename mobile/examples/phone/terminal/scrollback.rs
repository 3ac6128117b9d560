//! Which lines are seen: the screen, or lines from above it, which are fetched by their numbers. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use relay_client::app::terminal::limits::SCROLLBACK_ROWS_MAX;
use relay_client::app::terminal::{Row, Screen, ScrollbackRows, ViewerMessage};

/// Lines that are kept; those far from what is seen are dropped.
const LINES_MAX: usize = 4 * SCROLLBACK_ROWS_MAX as usize;

/// The user's place in the history. Line numbers go on into the screen: its top row has number `history.end`.
#[derive(Debug, Default)]
pub(crate) struct Scrollback {
    /// The number of the first line that is seen; `None`: the screen as it is.
    top: Option<u64>,
    generation: u32,
    lines: BTreeMap<u64, Arc<Row>>,
    /// The request that is not answered.
    asked: Option<u32>,
    requests: u32,
}

impl Scrollback {
    /// True if lines above the screen are seen.
    pub(crate) fn is_up(&self) -> bool {
        self.top.is_some()
    }

    /// How many lines above the screen's top the first line is.
    pub(crate) fn lines_up(&self, screen: &Screen) -> u64 {
        self.top.map_or(0, |top| screen.history.end.saturating_sub(top))
    }

    /// Goes up by this many lines, or down if it is negative.
    pub(crate) fn move_by(&mut self, lines: i64, screen: &Screen) {
        let history = &screen.history;
        let top = self.top.unwrap_or(history.end).saturating_add_signed(-lines).max(history.first());
        self.top = (top < history.end).then_some(top);
    }

    /// Goes back to the screen.
    pub(crate) fn leave(&mut self) {
        self.top = None;
    }

    /// The screen changed.
    pub(crate) fn on_screen(&mut self, screen: &Screen) {
        let history = &screen.history;
        if self.generation != history.generation {
            *self = Scrollback { generation: history.generation, requests: self.requests, ..Self::default() };
        }
        let first = history.first();
        self.top = self.top.map(|top| top.max(first)).filter(|top| *top < history.end);
        self.lines = self.lines.split_off(&first);
    }

    /// Lines came.
    pub(crate) fn on_rows(&mut self, answer: ScrollbackRows) {
        if self.asked != Some(answer.request) {
            return;
        }
        self.asked = None;
        if answer.generation != self.generation {
            return;
        }
        let rows = answer.rows.into_iter().enumerate();
        self.lines.extend(rows.map(|(at, row)| (answer.first + at as u64, Arc::new(row))));
        while self.lines.len() > LINES_MAX {
            let middle = self.top.unwrap_or(u64::MAX);
            let (first, last) = (self.lines.first_key_value(), self.lines.last_key_value());
            let (Some((&first, _)), Some((&last, _))) = (first, last) else { return };
            let farther = if middle.abs_diff(first) > middle.abs_diff(last) { first } else { last };
            self.lines.remove(&farther);
        }
    }

    /// A request was lost with its channel.
    pub(crate) fn on_reopened(&mut self) {
        self.asked = None;
    }

    /// What must be fetched for `count` lines to be seen; one request at a time.
    pub(crate) fn poll_request(&mut self, count: u16, screen: &Screen) -> Option<ViewerMessage> {
        let top = self.top.filter(|_| self.asked.is_none())?;
        let end = screen.history.end.min(top + u64::from(count));
        let missing = (top..end).find(|number| !self.lines.contains_key(number))?;
        // A page more in the direction in which people go.
        let first = missing.saturating_sub(u64::from(count)).max(screen.history.first());
        let wanted = (end - first).min(u64::from(SCROLLBACK_ROWS_MAX));
        self.requests = self.requests.wrapping_add(1);
        self.asked = Some(self.requests);
        let count = u16::try_from(wanted).unwrap_or(SCROLLBACK_ROWS_MAX);
        Some(ViewerMessage::Scrollback { request: self.requests, first, count })
    }

    /// The lines that are seen from `first_row` of the screen, or from the user's place; lines that have not
    /// come yet are blank.
    pub(crate) fn visible(&self, screen: &Screen, first_row: usize, count: usize) -> Vec<Arc<Row>> {
        let end = screen.history.end;
        let top = self.top.unwrap_or(end + first_row as u64);
        let line = |number: u64| match number.checked_sub(end) {
            None => self.lines.get(&number).cloned(),
            Some(row) => usize::try_from(row).ok().and_then(|row| screen.rows().get(row)).cloned(),
        };
        (top..top + count as u64).map(|number| line(number).unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use relay_client::app::terminal::{History, RowBuilder, Size, Style};

    use super::*;

    fn row(text: &str) -> Row {
        let mut builder = RowBuilder::new();
        text.chars().for_each(|char| builder.push(&char.to_string(), false, &Style::default()));
        builder.finish(false)
    }

    /// A screen of two rows with 100 lines above it, numbered from 10.
    fn screen() -> Screen {
        let mut screen = Screen::new(Size::new(10, 2).unwrap());
        screen.set_row(0, row("row0"));
        screen.set_row(1, row("row1"));
        screen.history = History { generation: 1, end: 110, lines: 100 };
        screen
    }

    fn seen(scrollback: &Scrollback, screen: &Screen) -> Vec<String> {
        scrollback.visible(screen, 0, 2).iter().map(|row| row.to_text()).collect()
    }

    fn answer(scrollback: &mut Scrollback, screen: &Screen) {
        while let Some(ViewerMessage::Scrollback { request, first, count }) =
            scrollback.poll_request(2, screen)
        {
            let rows = (first..first + u64::from(count)).map(|number| row(&number.to_string())).collect();
            scrollback.on_rows(ScrollbackRows {
                request,
                generation: screen.history.generation,
                first,
                rows,
            });
        }
    }

    #[test]
    fn lines_are_fetched_when_they_are_to_be_seen() {
        let (mut scrollback, mut screen) = (Scrollback::default(), screen());
        scrollback.on_screen(&screen);
        assert_eq!(scrollback.poll_request(2, &screen), None);
        assert_eq!(seen(&scrollback, &screen), ["row0", "row1"]);
        scrollback.move_by(1, &screen);
        assert_eq!(seen(&scrollback, &screen), ["", "row0"]);
        answer(&mut scrollback, &screen);
        assert_eq!(seen(&scrollback, &screen), ["109", "row0"]);
        scrollback.move_by(4, &screen);
        answer(&mut scrollback, &screen);
        assert_eq!(seen(&scrollback, &screen), ["105", "106"]);
        assert_eq!(scrollback.lines_up(&screen), 5);
        // What scrolls off meanwhile does not move what is seen.
        screen.history.end += 3;
        scrollback.on_screen(&screen);
        assert_eq!(seen(&scrollback, &screen), ["105", "106"]);
        scrollback.move_by(-8, &screen);
        assert!(!scrollback.is_up());
        scrollback.move_by(1_000_000, &screen);
        assert_eq!(scrollback.lines_up(&screen), 100);
    }

    #[test]
    fn numbers_of_another_generation_mean_nothing() {
        let (mut scrollback, mut screen) = (Scrollback::default(), screen());
        scrollback.on_screen(&screen);
        scrollback.move_by(2, &screen);
        let Some(ViewerMessage::Scrollback { request, first, .. }) = scrollback.poll_request(2, &screen)
        else {
            panic!("lines are needed");
        };
        screen.history.generation = 2;
        scrollback.on_screen(&screen);
        assert!(!scrollback.is_up());
        scrollback.on_rows(ScrollbackRows { request, generation: 1, first, rows: vec![row("old")] });
        assert!(scrollback.lines.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut scrollback, mut screen) = (Scrollback::default(), screen());
        screen.history = History { generation: 1, end: 100_000, lines: 100_000 };
        scrollback.on_screen(&screen);
        for _ in 0..1_000 {
            scrollback.move_by(90, &screen);
            answer(&mut scrollback, &screen);
            assert_ne!(seen(&scrollback, &screen)[0], "");
            assert!(scrollback.lines.len() <= LINES_MAX);
        }
    }
}
