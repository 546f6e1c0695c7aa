//! Parts of entities that a read may leave out.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// A part of an entity that is read only if the read selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<T> {
    /// It was read, or belongs to a new entity.
    Read(T),
    /// The read left it out.
    LeftOut,
}

impl<T> Part<T> {
    /// The part; a fault if the read left it out.
    pub fn read(&self) -> Result<&T> {
        self.as_option().ok_or_else(|| Error::broken("using a part that the read left out"))
    }

    /// The part, if it was read.
    pub fn as_option(&self) -> Option<&T> {
        match self {
            Self::Read(part) => Some(part),
            Self::LeftOut => None,
        }
    }

    /// The part, if it was read.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Read(part) => Some(part),
            Self::LeftOut => None,
        }
    }
}

impl<T> Part<Vec<T>> {
    /// The members that were read; none if the read left them out.
    pub fn members(&self) -> &[T] {
        self.as_option().map_or(&[], Vec::as_slice)
    }
}

impl<T> From<T> for Part<T> {
    fn from(part: T) -> Self {
        Self::Read(part)
    }
}

impl<T: Serialize> Serialize for Part<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Read(part) => part.serialize(serializer),
            Self::LeftOut => Err(serde::ser::Error::custom("a part was left out")),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Read)
    }
}
