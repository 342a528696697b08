//! Lists that are cut to a page.

use crate::web::view::pages::Pager;

/// The part of a list that a page shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// The page's number, from 1.
    pub(super) number: usize,
    size: usize,
    total: usize,
}

impl Cut {
    /// Of `total` rows the page of so many that is asked for; the nearest one there is.
    pub(super) fn of(total: usize, size: usize, asked: &str) -> Self {
        let last = total.div_ceil(size).max(1);
        Self {
            number: asked.parse::<usize>().unwrap_or(1).clamp(1, last),
            size,
            total,
        }
    }

    /// The page on which a row stands.
    pub(super) fn around(total: usize, size: usize, row: usize) -> Self {
        Self {
            number: row.min(total.saturating_sub(1)) / size + 1,
            size,
            total,
        }
    }

    /// Its rows.
    pub(super) fn rows<T>(self, all: Vec<T>) -> impl Iterator<Item = T> {
        all.into_iter().skip(self.skipped()).take(self.size)
    }

    fn skipped(self) -> usize {
        (self.number - 1) * self.size
    }

    /// Where it stands, with the addresses of the pages beside it.
    pub(super) fn pager(self, address: impl Fn(usize) -> String) -> Pager {
        let last = (self.skipped() + self.size).min(self.total);
        Pager {
            first: (self.skipped() + 1).min(last),
            last,
            total: self.total,
            previous: (self.number > 1).then(|| address(self.number - 1)),
            next: (last < self.total).then(|| address(self.number + 1)),
        }
    }
}

/// The number of a page as an address says it: the first one is not said.
pub(super) fn said(number: usize) -> String {
    if number > 1 {
        number.to_string()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_that_there_is() {
        // Rows, what is asked for; the page, its first and last row, and which pages are beside it.
        let rows = [
            (0, "", (1, 0, 0), (None, None)),
            (3, "", (1, 1, 3), (None, None)),
            (3, "0", (1, 1, 3), (None, None)),
            (4, "2", (2, 4, 4), (Some("1"), None)),
            (7, "2", (2, 4, 6), (Some("1"), Some("3"))),
            (7, "99", (3, 7, 7), (Some("2"), None)),
            (7, "x", (1, 1, 3), (None, Some("2"))),
        ];
        for (total, asked, (number, first, last), (previous, next)) in rows {
            let cut = Cut::of(total, 3, asked);
            let pager = cut.pager(|number| number.to_string());
            assert_eq!(
                (cut.number, pager.first, pager.last),
                (number, first, last),
                "{total} {asked}"
            );
            assert_eq!(
                (pager.previous.as_deref(), pager.next.as_deref()),
                (previous, next),
                "{total} {asked}"
            );
            let shown = cut.rows((1..=total).collect()).collect::<Vec<_>>();
            assert_eq!(shown.len(), if total == 0 { 0 } else { last + 1 - first });
            assert!(shown.first().is_none_or(|row| *row == first));
        }
        assert_eq!(
            [0, 2, 3, 6].map(|row| Cut::around(7, 3, row).number),
            [1, 1, 2, 3]
        );
    }
}
