//! Matching of media to the slots of an analyzer: decides which media an analysis takes.

use crate::analysis::TakenMedium;
use crate::ids::MediaId;
use crate::media::{MediaKind, Tag};

/// A place for media in an analysis, as its analyzer's manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Kinds of media that fit.
    pub kinds: Vec<MediaKind>,
    /// A medium needs at least one of these tags (empty: no condition).
    pub any_tags: Vec<String>,
    /// A medium needs all of these tags.
    pub all_tags: Vec<String>,
    /// A medium with one of these is left out unless the request names it.
    pub unless_named_tags: Vec<String>,
    /// Minimum number of media.
    pub min: u32,
    /// Maximum number of media.
    pub max: u32,
}

/// The properties of a medium that the matching looks at.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The medium.
    pub id: MediaId,
    /// Its kind.
    pub kind: MediaKind,
    /// Its tags.
    pub tags: &'a [Tag],
}

/// Why media do not fit the slots.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A medium that the request names fits no slot.
    #[error("medium {index} ({kind}) fits no slot of this analysis; it takes {accepted}")]
    NamedDoesNotFit {
        /// Index in the list of the request.
        index: usize,
        /// The medium's kind.
        kind: &'static str,
        /// What the slots accept.
        accepted: String,
    },
    /// A medium is named twice.
    #[error("medium {index} is named twice")]
    NamedTwice {
        /// Index in the list of the request.
        index: usize,
    },
    /// Too few media fit a slot.
    #[error("slot `{slot}` needs at least {min} media and {found} fit; it takes {accepted}")]
    TooFew {
        /// The slot.
        slot: String,
        /// Minimum number of media.
        min: u32,
        /// Number of media that fit.
        found: u32,
        /// What the slot accepts.
        accepted: String,
    },
    /// More media fit a slot than it accepts.
    #[error("slot `{slot}` takes at most {max} media and {found} fit: name the media to use")]
    TooMany {
        /// The slot.
        slot: String,
        /// Maximum number of media.
        max: u32,
        /// Number of media that fit.
        found: u32,
    },
}

impl Slot {
    fn fits(&self, medium: Candidate<'_>, named: bool) -> bool {
        let has = |tag: &String| medium.tags.iter().any(|t| t.as_str() == tag);
        self.kinds.contains(&medium.kind)
            && (self.any_tags.is_empty() || self.any_tags.iter().any(has))
            && self.all_tags.iter().all(has)
            && (named || !self.unless_named_tags.iter().any(has))
    }

    fn accepted(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut text = kinds.join(", ");
        if !self.any_tags.is_empty() {
            text.push_str(&format!(" tagged with one of {}", self.any_tags.join(", ")));
        }
        if !self.all_tags.is_empty() {
            text.push_str(&format!(" tagged with all of {}", self.all_tags.join(", ")));
        }
        if !self.unless_named_tags.is_empty() {
            text.push_str(&format!(
                " (tagged {}: only when named)",
                self.unless_named_tags.join(", ")
            ));
        }
        text
    }
}

/// Assigns each medium to the first slot that it fits and that has room. With `named`, `media` are
/// those that the request names, and each of them must fit; otherwise they are all media of the
/// folder, and those that do not fit are left out.
pub fn assign(
    slots: &[Slot],
    media: &[Candidate<'_>],
    named: bool,
) -> Result<Vec<TakenMedium>, Mismatch> {
    let mut taken: Vec<(usize, TakenMedium)> = Vec::new();
    let mut counts = vec![0u32; slots.len()];
    for (index, medium) in media.iter().enumerate() {
        if taken.iter().any(|(_, t)| t.media_id == medium.id) {
            return Err(Mismatch::NamedTwice { index });
        }
        let fitting = |&(_, slot): &(usize, &Slot)| slot.fits(*medium, named);
        let with_room =
            slots.iter().enumerate().filter(fitting).find(|&(at, slot)| counts[at] < slot.max);
        let Some((at, slot)) = with_room.or_else(|| slots.iter().enumerate().find(fitting)) else {
            if named {
                let accepted = slots.iter().map(Slot::accepted).collect::<Vec<_>>().join("; ");
                return Err(Mismatch::NamedDoesNotFit {
                    index,
                    kind: medium.kind.name(),
                    accepted,
                });
            }
            continue;
        };
        counts[at] += 1;
        taken.push((at, TakenMedium { media_id: medium.id, slot: slot.name.clone(), named }));
    }
    for (slot, &found) in slots.iter().zip(&counts) {
        if found < slot.min {
            return Err(Mismatch::TooFew {
                slot: slot.name.clone(),
                min: slot.min,
                found,
                accepted: slot.accepted(),
            });
        }
        if found > slot.max {
            return Err(Mismatch::TooMany { slot: slot.name.clone(), max: slot.max, found });
        }
    }
    taken.sort_by_key(|&(at, _)| at);
    Ok(taken.into_iter().map(|(_, medium)| medium).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn slot(unless_named: &[&str], min: u32, max: u32) -> Slot {
        Slot {
            name: "faces".into(),
            kinds: vec![MediaKind::Image, MediaKind::Video],
            any_tags: vec![],
            all_tags: vec![],
            unless_named_tags: unless_named.iter().map(ToString::to_string).collect(),
            min,
            max,
        }
    }

    fn medium<'a>(number: u128, kind: MediaKind, tags: &'a [Tag]) -> Candidate<'a> {
        Candidate { id: MediaId(Uuid::from_u128(number)), kind, tags }
    }

    #[test]
    fn the_back_of_a_document_is_taken_only_when_named() {
        let back = ["photo_id_back".parse().unwrap()];
        let media = [medium(1, MediaKind::Image, &[]), medium(2, MediaKind::Image, &back)];
        let slots = [slot(&["photo_id_back"], 1, 9)];
        assert_eq!(assign(&slots, &media, false).unwrap().len(), 1);
        assert_eq!(assign(&slots, &media, true).unwrap().len(), 2);
    }

    #[test]
    fn too_few_and_too_many_name_the_slot() {
        let media = [medium(1, MediaKind::Image, &[]), medium(2, MediaKind::Video, &[])];
        assert!(matches!(
            assign(&[slot(&[], 3, 9)], &media, false),
            Err(Mismatch::TooFew { found: 2, .. })
        ));
        assert!(matches!(
            assign(&[slot(&[], 1, 1)], &media, false),
            Err(Mismatch::TooMany { found: 2, .. })
        ));
    }

    #[test]
    fn only_named_media_must_fit_a_slot() {
        let media = [medium(1, MediaKind::ShotSet, &[]), medium(2, MediaKind::Image, &[])];
        let slots = [slot(&[], 1, 9)];
        assert_eq!(assign(&slots, &media, false).unwrap().len(), 1);
        assert!(matches!(
            assign(&slots, &media, true),
            Err(Mismatch::NamedDoesNotFit { index: 0, .. })
        ));
    }

    #[test]
    fn a_medium_named_twice_is_an_error() {
        let media = [medium(1, MediaKind::Image, &[]), medium(1, MediaKind::Image, &[])];
        assert_eq!(
            assign(&[slot(&[], 1, 9)], &media, true),
            Err(Mismatch::NamedTwice { index: 1 })
        );
    }
}
