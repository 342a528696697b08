//! Which lines of a text went and which came: the shortest such list, as E. W. Myers finds it ("An O(ND) Difference
//! Algorithm", 1986).
//!
//! A comparison of sets of lines would be quicker and wrong: a line that stands elsewhere in the old text already would
//! never be shown to come.
//!
//! **Invariant:** the work is bounded, because a server may send texts on purpose; beyond the bound a part that differs is
//! said to have gone and come as a whole, which is longer and still true.

use std::collections::HashMap;

/// Steps of the search, beside one for each line: some six hundred lines that differ.
const MOST_STEPS: usize = 200_000;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// It stands in both texts.
    Same,
    /// It went.
    Went,
    /// It came.
    Came,
}

/// All lines of both texts in their order; of a part that differs first those that went.
pub fn edits<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<(Edit, &'a str)> {
    let head = alike(before.iter().zip(after));
    let (start, old) = before.split_at(head);
    let new = after.get(head..).unwrap_or_default();
    let tail = alike(old.iter().rev().zip(new.iter().rev()));
    let (old, end) = old.split_at(old.len() - tail);
    let (new, _) = new.split_at(new.len() - tail);

    let marked = |edit, lines: &[&'a str]| -> Vec<(Edit, &'a str)> {
        lines.iter().map(|line| (edit, *line)).collect()
    };
    let mut edits = marked(Edit::Same, start);
    let (mut from, mut to) = (0, 0);
    let last = (old.len(), new.len());
    for (x, y) in common(old, new).into_iter().chain([last]) {
        edits.extend(marked(Edit::Went, old.get(from..x).unwrap_or_default()));
        edits.extend(marked(Edit::Came, new.get(to..y).unwrap_or_default()));
        edits.extend(old.get(x).map(|line| (Edit::Same, *line)));
        (from, to) = (x + 1, y + 1);
    }
    edits.extend(marked(Edit::Same, end));
    edits
}

/// The lines that differ, `- ` before what went and `+ ` before what came, and so many around each that stay, indented;
/// `…` stands for those in between.
pub fn told(before: &[&str], after: &[&str], around: usize) -> Vec<String> {
    let edits = edits(before, after);
    let mut shown = vec![false; edits.len()];
    for (place, _) in edits
        .iter()
        .enumerate()
        .filter(|(_, (edit, _))| *edit != Edit::Same)
    {
        let end = (place + around + 1).min(edits.len());
        if let Some(part) = shown.get_mut(place.saturating_sub(around)..end) {
            part.fill(true);
        }
    }
    let mut lines = Vec::new();
    let mut has_gap = false;
    for ((edit, line), is_shown) in edits.into_iter().zip(shown) {
        if !is_shown {
            has_gap = around > 0 && !lines.is_empty();
            continue;
        }
        if std::mem::take(&mut has_gap) {
            lines.push("…".to_owned());
        }
        lines.push(match edit {
            Edit::Same => format!("  {line}"),
            Edit::Went => format!("- {line}"),
            Edit::Came => format!("+ {line}"),
        });
    }
    lines
}

fn alike<'a>(pairs: impl Iterator<Item = (&'a &'a str, &'a &'a str)>) -> usize {
    pairs.take_while(|(old, new)| old == new).count()
}

/// The places of the lines that both keep, in their order; none when looking for them takes too long.
fn common<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(usize, usize)> {
    let mut numbers: HashMap<&'a str, usize> = HashMap::new();
    let mut numbered = |lines: &[&'a str]| -> Vec<usize> {
        let number = |line: &&'a str| {
            let next = numbers.len();
            *numbers.entry(line).or_insert(next)
        };
        lines.iter().map(number).collect()
    };
    let (old, new) = (numbered(old), numbered(new));
    search(&old, &new).map_or_else(Vec::new, |(rows, diagonal)| {
        back(&rows, diagonal, (old.len(), new.len()))
    })
}

/// How far one gets along each diagonal with so many edits, a row for each number of them. In the row of `d` edits the
/// diagonal `i` has gone down `d - i` times and right `i` times: x − y is 2i − d. The second part is the diagonal that
/// reached the end of both texts in the last row.
fn search(old: &[usize], new: &[usize]) -> Option<(Vec<Vec<usize>>, usize)> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut steps = 0;
    let most = MOST_STEPS + old.len() + new.len();
    for edits in 0..=old.len() + new.len() {
        let before = rows.last().map(Vec::as_slice).unwrap_or_default();
        let mut row = Vec::with_capacity(edits + 1);
        for diagonal in 0..=edits {
            let (mut x, _) = step(before, diagonal);
            let mut y = x + edits - 2 * diagonal;
            while let (Some(one), Some(other)) = (old.get(x), new.get(y))
                && one == other
            {
                (x, y, steps) = (x + 1, y + 1, steps + 1);
            }
            row.push(x);
            if x >= old.len() && y >= new.len() {
                rows.push(row);
                return Some((rows, diagonal));
            }
        }
        steps += edits + 1;
        if steps > most {
            return None;
        }
        rows.push(row);
    }
    None
}

/// Where a diagonal begins after the row before, and from which diagonal of that row it comes.
fn step(before: &[usize], diagonal: usize) -> (usize, usize) {
    let down = before.get(diagonal).copied();
    let left = diagonal.checked_sub(1);
    let right = left.and_then(|left| Some((before.get(left)? + 1, left)));
    match (right, down) {
        (Some((x, left)), Some(down)) if x > down => (x, left),
        (Some((x, left)), None) => (x, left),
        (_, Some(down)) => (down, diagonal),
        (None, None) => (0, 0),
    }
}

/// The way back from the end through the rows.
fn back(rows: &[Vec<usize>], mut diagonal: usize, (mut x, mut y): (usize, usize)) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for edits in (0..rows.len()).rev() {
        let before = edits.checked_sub(1).and_then(|one| rows.get(one));
        let before = before.map(Vec::as_slice).unwrap_or_default();
        let (begin, from) = step(before, diagonal);
        while x > begin && y > 0 {
            (x, y) = (x - 1, y - 1);
            pairs.push((x, y));
        }
        x = before.get(from).copied().unwrap_or_default();
        y = (x + edits).saturating_sub(2 * from + 1);
        diagonal = from;
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &str, after: &str) -> String {
        let [before, after] = [before, after].map(|text| text.split_whitespace().collect::<Vec<_>>());
        let word = |(edit, line): (Edit, &str)| match edit {
            Edit::Same => line.to_owned(),
            Edit::Went => format!("-{line}"),
            Edit::Came => format!("+{line}"),
        };
        let all: Vec<String> = edits(&before, &after).into_iter().map(word).collect();
        all.join(" ")
    }

    #[test]
    fn what_differs_is_told_in_its_place() {
        let rows = [
            ("", "", ""),
            ("a b", "a b", "a b"),
            ("", "a", "+a"),
            ("a", "", "-a"),
            ("a", "b", "-a +b"),
            ("a b c", "a x c", "a -b +x c"),
            // It stands in the old text already.
            ("a b", "a b a", "a b +a"),
            ("{ x } { }", "{ x } { x }", "{ x } { +x }"),
            ("a b", "b a", "-a b +a"),
        ];
        for (before, after, expected) in rows {
            assert_eq!(words(before, after), expected, "{before} → {after}");
        }
    }

    #[test]
    fn lines_around_a_difference_say_where_it_is() {
        let before = ["a", "b", "c", "d", "e", "f", "g"];
        let after = ["a", "b", "c2", "d", "e", "f", "g2"];
        assert_eq!(told(&before, &after, 0), ["- c", "+ c2", "- g", "+ g2"]);
        assert_eq!(
            told(&before, &after, 1),
            ["  b", "- c", "+ c2", "  d", "…", "  f", "- g", "+ g2"]
        );
        assert!(told(&before, &before, 1).is_empty());
    }

    #[test]
    fn both_texts_can_be_read_from_it_whatever_they_are() {
        // Numbers that look thrown together, always the same.
        let mut seed = 7_usize;
        let mut next = |most: usize| {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345) % 2_147_483_648;
            (seed >> 8) % most
        };
        for _ in 0..500 {
            let [before, after] = [(); 2].map(|()| -> Vec<&str> {
                let length = next(12);
                (0..length).map(|_| ["a", "b", "c", "d"][next(4)]).collect()
            });
            let edits = edits(&before, &after);
            let without = |skipped: Edit| -> Vec<&str> {
                let kept = edits.iter().filter(|(edit, _)| *edit != skipped);
                kept.map(|(_, line)| *line).collect()
            };
            assert_eq!((without(Edit::Came), without(Edit::Went)), (before, after));
        }
    }

    #[test]
    fn a_small_difference_of_large_texts_stays_small_and_a_large_one_takes_no_time() {
        let lines: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let before: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut after = before.clone();
        after[1] = "x";
        after[99_998] = "y";
        let differing = |after: &[&str]| {
            let edits = edits(&before, after);
            edits.iter().filter(|(edit, _)| *edit != Edit::Same).count()
        };
        assert_eq!(differing(&after), 4);
        let others: Vec<String> = (0..100_000).map(|n| format!("x{n}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        assert_eq!(differing(&others), 200_000);
    }
}
