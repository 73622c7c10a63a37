//! Basic encoding rules (X.690), as far as the messages use them: short tags and definite lengths.

/// An element: its tag and its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub tag: u8,
    pub value: &'a [u8],
}

/// Takes the first element off; `None` where it does not lie in the data.
pub(super) fn element(data: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&[tag, first], rest) = data.split_first_chunk::<2>()?;
    // A tag of several octets is in no message of this protocol.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        // A frame has no room for more.
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Element { tag, value }, rest))
}

/// The elements in contents, one behind the other; it ends with an error where one does not lie in them.
pub(super) fn elements(mut data: &[u8]) -> impl Iterator<Item = Result<Element<'_>, Cut>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let Some((first, rest)) = element(data) else {
            data = &[];
            return Some(Err(Cut));
        };
        data = rest;
        Some(Ok(first))
    })
}

/// An element does not lie in what it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

impl Element<'_> {
    /// Its value as a number without sign, if it is one of at most 32 bits.
    pub(super) fn unsigned(&self) -> Option<u32> {
        let number = self.value.iter().try_fold(0_u64, |number, &octet| {
            (number <= u64::from(u32::MAX) >> 8 || number == 0).then_some(number << 8 | u64::from(octet))
        })?;
        u32::try_from(number).ok().filter(|_| !self.value.is_empty())
    }

    /// Its value as a number with a sign, if it is one of at most 64 bits.
    pub(super) fn signed(&self) -> Option<i64> {
        let negative = self.value.first()? & 0x80 != 0;
        let begin = if negative { -1 } else { 0 };
        (self.value.len() <= 8).then(|| self.value.iter().fold(begin, |number, &octet| number << 8 | i64::from(octet)))
    }

    /// Its value as a truth value.
    pub(super) fn boolean(&self) -> Option<bool> {
        if let [octet] = self.value { Some(*octet != 0) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_lie_in_their_data() {
        let long = [&[0x82, 0x81, 0x80][..], &[7; 128]].concat();
        for (data, expected) in [
            (&[0x85, 1, 7][..], Some((0x85, 1))),
            (&[0x85, 0], Some((0x85, 0))),
            (&long, Some((0x82, 128))),
            (&[0x82, 0x82, 0, 1, 9], Some((0x82, 1))),
            (&[0x85, 2, 7], None),
            (&[0x85], None),
            (&[0x85, 0x80, 1], None),
            (&[0x9f, 1, 1, 1], None),
            (&[0x85, 0x83, 0, 0, 1, 1], None),
        ] {
            assert_eq!(element(data).map(|(found, _)| (found.tag, found.value.len())), expected, "{data:?}");
        }
        let all: Vec<_> = elements(&[0x85, 1, 7, 0x86, 9]).map(|found| found.map(|element| element.tag)).collect();
        assert_eq!(all, [Ok(0x85), Err(Cut)]);
    }

    #[test]
    fn numbers_are_read_as_wide_as_they_may_be() {
        let number = |value: &[u8]| Element { tag: 0, value }.unsigned();
        assert_eq!(number(&[0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0, 9]), Some(9));
        assert_eq!((number(&[1, 0, 0, 0, 0]), number(&[]), number(&[0x80])), (None, None, Some(128)));
        let signed = |value: &[u8]| Element { tag: 0, value }.signed();
        assert_eq!((signed(&[0xff]), signed(&[0x7f, 0xff]), signed(&[0; 9])), (Some(-1), Some(32_767), None));
    }
}
