//! Reads FlatBuffers: tables whose fields are found through a table of offsets.
//!
//! Every access is checked against the buffer, so a damaged file gives `None` and never a panic.

/// A table inside a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A list inside a buffer; `at` is the position of its first element.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    bytes: &'a [u8],
    at: usize,
    length: usize,
}

impl<'a> Table<'a> {
    /// The root table of a file.
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { bytes, at: follow(bytes, 0)? })
    }

    /// The signed byte `slot`; 0 if it is not set.
    pub(super) fn i8(self, slot: usize) -> Option<i8> {
        let Some(at) = self.field(slot)? else { return Some(0) };
        Some(self.bytes.get(at)?.cast_signed())
    }

    /// The 32-bit integer `slot`, or `default` if it is not set.
    pub(super) fn i32(self, slot: usize, default: i32) -> Option<i32> {
        let Some(at) = self.field(slot)? else { return Some(default) };
        Some(i32::from_le_bytes(array(self.bytes, at)?))
    }

    /// The index `slot`; 0 if it is not set.
    pub(super) fn index(self, slot: usize) -> Option<usize> {
        usize::try_from(self.i32(slot, 0)?).ok()
    }

    /// The table `slot`, if it is set.
    pub(super) fn table(self, slot: usize) -> Option<Option<Self>> {
        let Some(at) = self.field(slot)? else { return Some(None) };
        Some(Some(Self { bytes: self.bytes, at: follow(self.bytes, at)? }))
    }

    /// The list `slot`; empty if it is not set.
    pub(super) fn list(self, slot: usize) -> Option<List<'a>> {
        let bytes = self.bytes;
        let Some(at) = self.field(slot)? else { return Some(List { bytes, at: 0, length: 0 }) };
        let at = follow(bytes, at)?;
        let length = usize::try_from(u32::from_le_bytes(array(bytes, at)?)).ok()?;
        Some(List { bytes, at: at.checked_add(4)?, length })
    }

    /// The text `slot`; empty if it is not set.
    pub(super) fn text(self, slot: usize) -> Option<&'a str> {
        std::str::from_utf8(self.list(slot)?.bytes()?).ok()
    }

    /// The position of the field `slot`; `Some(None)` if the table does not contain it.
    fn field(self, slot: usize) -> Option<Option<usize>> {
        let back = i32::from_le_bytes(array(self.bytes, self.at)?);
        let offsets = i64::try_from(self.at).ok()?.checked_sub(i64::from(back))?;
        let offsets = usize::try_from(offsets).ok()?;
        let size = usize::from(u16::from_le_bytes(array(self.bytes, offsets)?));
        let entry = 4 + 2 * slot;
        if entry + 2 > size {
            return Some(None);
        }
        let offset = u16::from_le_bytes(array(self.bytes, offsets.checked_add(entry)?)?);
        Some((offset != 0).then(|| self.at + usize::from(offset)))
    }
}

impl<'a> List<'a> {
    /// The elements of a list of bytes.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        self.bytes.get(self.at..self.at.checked_add(self.length)?)
    }

    /// The elements of a list of 32-bit integers.
    pub(super) fn i32s(self) -> Option<Vec<i32>> {
        let end = self.length.checked_mul(4).and_then(|size| self.at.checked_add(size))?;
        let words = self.bytes.get(self.at..end)?.as_chunks().0;
        Some(words.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    /// The elements of a list of tables.
    pub(super) fn tables(self) -> Option<Vec<Table<'a>>> {
        let end = self.length.checked_mul(4).and_then(|size| self.at.checked_add(size))?;
        self.bytes.get(self.at..end)?;
        let table = |at| Some(Table { bytes: self.bytes, at: follow(self.bytes, at)? });
        (self.at..end).step_by(4).map(table).collect()
    }
}

/// The position that the forward offset at `at` refers to.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    let offset = usize::try_from(u32::from_le_bytes(array(bytes, at)?)).ok()?;
    let target = at.checked_add(offset)?;
    (target < bytes.len()).then_some(target)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
