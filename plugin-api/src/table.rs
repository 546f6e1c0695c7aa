//! Features in binary form: rows of 32-bit floats, for values that would be slow and long as JSON.

use std::fmt;

/// First four bytes of a binary feature.
const MAGIC: [u8; 4] = *b"VF32";
/// Bytes before the first value: magic and number of columns.
const HEADER_BYTES: usize = 8;

/// A binary feature: `VF32`, the number of columns (u32), then the rows, each of that many f32; all
/// little-endian and finite. The feature's name and version determine the meaning of the columns.
///
/// ```
/// use vultus_plugin_api::Table;
///
/// let table = Table::new(3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let read = Table::from_bytes(&table.to_bytes())?;
/// assert_eq!(read.rows().nth(1), Some(&[4.0, 5.0, 6.0][..]));
/// # Ok::<(), vultus_plugin_api::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: u32,
    values: Vec<f32>,
}

/// Why values are not a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableError {
    /// The first bytes are not `VF32`.
    NotATable,
    /// There are no columns, or the last row is incomplete.
    Incomplete,
    /// A value is not finite.
    NotFinite,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotATable => "it does not begin with VF32",
            Self::Incomplete => "it has no columns, or its last row is incomplete",
            Self::NotFinite => "it has a value that is not finite",
        })
    }
}

impl std::error::Error for TableError {}

impl Table {
    /// A table of rows with `columns` values each.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn new(columns: u32, values: Vec<f32>) -> Result<Self, TableError> {
        if columns == 0 || !values.len().is_multiple_of(columns as usize) {
            return Err(TableError::Incomplete);
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(TableError::NotFinite);
        }
        Ok(Self { columns, values })
    }

    /// Number of values per row; at least 1.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.columns as usize)
    }

    /// The bytes that cross the ABI.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.values.len() * 4);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.columns.to_le_bytes());
        for value in &self.values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Reads and checks bytes that crossed the ABI; they need no alignment.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TableError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(TableError::NotATable)?;
        let (words, []) = rest.as_chunks::<4>() else {
            return Err(TableError::Incomplete);
        };
        let (columns, values) = words.split_first().ok_or(TableError::Incomplete)?;
        Self::new(
            u32::from_le_bytes(*columns),
            values.iter().map(|word| f32::from_le_bytes(*word)).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_tables_are_rejected() {
        let table = Table::new(2, vec![1.0, -2.5]).unwrap();
        let bytes = table.to_bytes();
        assert_eq!(Table::from_bytes(&bytes), Ok(table));
        assert_eq!(Table::from_bytes(b"null"), Err(TableError::NotATable));
        assert_eq!(Table::from_bytes(&bytes[..7]), Err(TableError::Incomplete));
        assert_eq!(Table::from_bytes(&bytes[..12]), Err(TableError::Incomplete));
        let mut infinite = bytes.clone();
        infinite[8..12].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert_eq!(Table::from_bytes(&infinite), Err(TableError::NotFinite));
        let mut no_columns = bytes;
        no_columns[4] = 0;
        assert_eq!(Table::from_bytes(&no_columns), Err(TableError::Incomplete));
    }
}
