//! Tables and times for people.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Cells are cut here: the whole text is what `show` is for.
const CELL_MAX: usize = 90;

/// A table with these headings.
pub(in crate::cli) fn table<const N: usize>(
    headings: [String; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings);
    for row in rows {
        table.add_row(row.map(|cell| cut(&cell)));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn cut(cell: &str) -> String {
    let line = cell.lines().next().unwrap_or_default();
    if line.chars().count() <= CELL_MAX && line.len() == cell.len() {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(CELL_MAX - 1).collect();
    short.push('…');
    short
}

/// How times are shown: in one zone, which is named once.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Times(TimeZone);

impl Times {
    /// In the client's zone, else in UTC.
    pub(in crate::cli) fn in_zone(zone: Option<TimeZone>) -> Self {
        Self(zone.unwrap_or(TimeZone::UTC))
    }

    /// The zone's name.
    pub(in crate::cli) fn zone(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A column's heading that names the zone.
    pub(in crate::cli) fn heading(&self, what: &str) -> String {
        format!("{what} ({})", self.zone())
    }

    /// To the second.
    pub(in crate::cli) fn show(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn long_cells_are_cut_and_lines_end_with_their_text() {
        let long = "x".repeat(CELL_MAX + 1);
        let text =
            table(["a".into(), "b".into()], [["1".into(), long], ["two\nlines".into(), String::new()]]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with("x…"), "{text}");
        assert_eq!(lines[2].trim(), "two…");
        assert!(lines.iter().all(|line| line.trim_end() == *line));
    }

    #[test]
    fn times_are_shown_in_the_zone_that_is_named() {
        let times = Times::in_zone(Some(TimeZone::get("Europe/Berlin").unwrap()));
        assert_eq!(times.heading("received"), "received (Europe/Berlin)");
        assert_eq!(times.show("2026-03-01T09:00:00Z".parse().unwrap()), "2026-03-01 10:00:00");
        assert_eq!(Times::in_zone(None).heading("received"), "received (UTC)");
    }
}
