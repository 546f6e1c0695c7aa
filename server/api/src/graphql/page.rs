//! Pages of lists: maximum length, weight and cursors.

use std::str::FromStr;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, OutputType};
use vultus_core::{Error, Result};

use super::context::request;

/// Maximum length of a page.
const MAX_FIRST: usize = 100;
/// A page weighs its fields once per this number of objects, rounded up: the objects of a page are
/// read together, so that the tenth costs far less than the first.
const OBJECTS_PER_WEIGHT: usize = 25;

/// Weight of a page of `first` objects.
pub(super) fn weight(first: i32, child_complexity: usize) -> usize {
    let objects = usize::try_from(first).unwrap_or(1).clamp(1, MAX_FIRST);
    1 + child_complexity.saturating_mul(objects.div_ceil(OBJECTS_PER_WEIGHT))
}

/// Checks the limits of `first`.
pub(super) fn parse_first(first: i32) -> Result<usize> {
    let first = usize::try_from(first).ok().filter(|first| (1..=MAX_FIRST).contains(first));
    first.ok_or_else(|| Error::invalid("first", format!("must be 1 to {MAX_FIRST}")))
}

/// The page of `items` after the one with the cursor `after`; cursors are ids. A cursor of a
/// missing item is an error: starting over silently would make clients loop.
pub(super) fn of_list<N: OutputType>(
    items: Vec<N>,
    first: i32,
    after: Option<&str>,
    id: impl Fn(&N) -> String,
) -> Result<Connection<String, N>> {
    let first = parse_first(first)?;
    let start = match after {
        None => 0,
        Some(after) => {
            let found = items.iter().position(|item| id(item) == after);
            found.ok_or_else(|| {
                Error::invalid("after", "not a valid cursor of this list, or its item was deleted")
            })? + 1
        }
    };
    let has_next_page = items.len() > start + first;
    let mut connection = Connection::new(start > 0, has_next_page);
    connection
        .edges
        .extend(items.into_iter().skip(start).take(first).map(|item| Edge::new(id(&item), item)));
    Ok(connection)
}

/// The id in the cursor `after` of a list that is ordered by id.
pub(super) fn id_cursor<T: FromStr>(after: &str) -> Result<T> {
    after.parse().map_err(|_| Error::invalid("after", "not a valid cursor of this list"))
}

/// Adds the page to the answer's number of objects.
pub(super) fn counted<N: OutputType>(
    ctx: &Context<'_>,
    page: Connection<String, N>,
) -> Result<Connection<String, N>> {
    request(ctx)?.count().add(page.edges.len())?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(first: i32, after: Option<&str>) -> Result<Connection<String, i32>> {
        of_list((0..5).collect(), first, after, ToString::to_string)
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let one = page(2, None).unwrap();
        let two = page(2, Some(&one.edges[1].cursor)).unwrap();
        let three = page(2, Some(&two.edges[1].cursor)).unwrap();
        let all: Vec<i32> = [&one, &two, &three]
            .iter()
            .flat_map(|page| page.edges.iter().map(|edge| edge.node))
            .collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert!(one.has_next_page && two.has_next_page && !three.has_next_page);
    }

    #[test]
    fn a_bad_length_and_an_unknown_cursor_are_refused() {
        assert!(page(0, None).is_err() && page(-1, None).is_err() && page(101, None).is_err());
        assert!(page(1, Some("9")).is_err());
    }

    #[test]
    fn a_hundred_weigh_four_times_one() {
        assert_eq!(
            (weight(1, 10), weight(25, 10), weight(26, 10), weight(100, 10)),
            (11, 11, 21, 41)
        );
    }
}
