//! Whether a log is served from a store, or was moved from it or is being moved to it.
//!
//! A log is moved in an order that never leaves two stores to sign from: the destination is marked as arriving before anything is
//! written to it, the source as left once everything was verified there, and only then is the destination's mark removed.

use std::fmt;
use std::str::FromStr;

use crate::StoreError;

/// The name of one move, which both stores remember.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MoveId([u8; 16]);

impl MoveId {
    /// The id of these bytes, which come from the system's generator.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// 32 lowercase hex digits.
impl fmt::Display for MoveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for MoveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MoveId({self})")
    }
}

/// A move as one of its two stores remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The same in both.
    pub id: MoveId,
    /// The other store, as it may be shown to people: without a password.
    pub place: String,
}

/// Whether a log is served from a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Residence {
    /// It is.
    #[default]
    Here,
    /// It is being moved here: nothing signs from here yet.
    Arriving(Move),
    /// It was moved away: nothing signs from here any more.
    Left(Move),
}

impl Residence {
    /// Whether a store may be opened: by a log, or by the move `arriving`.
    ///
    /// # Errors
    /// [`StoreError::Moved`] and [`StoreError::Arriving`]; [`StoreError::Foreign`] for a log that is in the way of the move.
    pub fn check(&self, arriving: Option<MoveId>) -> Result<(), StoreError> {
        match (self, arriving) {
            (Self::Here, None) => Ok(()),
            (Self::Arriving(known), Some(id)) if known.id == id => Ok(()),
            (Self::Here | Self::Arriving(_), Some(_)) => Err(self.in_the_way()),
            (Self::Arriving(known), None) => Err(StoreError::Arriving(known.place.clone())),
            (Self::Left(known), _) => Err(StoreError::Moved(known.place.clone())),
        }
    }
}

impl Residence {
    /// Why a move cannot begin at a store that has this mark.
    pub fn in_the_way(&self) -> StoreError {
        match self {
            Self::Left(known) => StoreError::Moved(known.place.clone()),
            Self::Here | Self::Arriving(_) => StoreError::Foreign(
                "the log is in the destination already, and not by this move: nothing was changed there"
                    .into(),
            ),
        }
    }
}

// "" | ( "arriving" | "left" ) SP <id, 32 hex digits> SP <place>

impl fmt::Display for Residence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => Ok(()),
            Self::Arriving(Move { id, place }) => write!(f, "arriving {id} {place}"),
            Self::Left(Move { id, place }) => write!(f, "left {id} {place}"),
        }
    }
}

impl FromStr for Residence {
    type Err = StoreError;

    /// # Errors
    /// [`StoreError::Damaged`] for any text but those that [`Display`](fmt::Display) makes.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let malformed = || StoreError::Damaged("the mark of a move cannot be read".into());
        if text.is_empty() {
            return Ok(Self::Here);
        }
        let mut words = text.splitn(3, ' ');
        let (kind, id, place) = (words.next(), words.next(), words.next());
        let id = id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let id = id.and_then(|id| u128::from_str_radix(id, 16).ok()).ok_or_else(malformed)?;
        let place = place.filter(|place| !place.contains('\n')).ok_or_else(malformed)?.to_owned();
        let of = Move { id: MoveId(id.to_be_bytes()), place };
        match kind {
            Some("arriving") => Ok(Self::Arriving(of)),
            Some("left") => Ok(Self::Left(of)),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MoveId = MoveId::from_bytes([1; 16]);
    const OTHER: MoveId = MoveId::from_bytes([2; 16]);

    #[test]
    fn what_is_written_reads_back_and_nothing_else_is_read() {
        let of = Move { id: ONE, place: "postgres://u@h/my logs".into() };
        for residence in [Residence::Here, Residence::Arriving(of.clone()), Residence::Left(of)] {
            assert_eq!(residence.to_string().parse(), Ok(residence));
        }
        let id = "01".repeat(16);
        for wrong in [
            "here",
            "left",
            "left 01 x",
            &format!("gone {id} x"),
            &format!("left {id}"),
            &format!("left +{} x", &id[1..]),
        ] {
            assert!(wrong.parse::<Residence>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_store_opens_for_its_log_or_for_its_move() {
        let of = Move { id: ONE, place: "there".into() };
        let arriving = Residence::Arriving(of.clone());
        assert_eq!(Residence::Here.check(None), Ok(()));
        assert_eq!(arriving.check(Some(ONE)), Ok(()));
        assert_eq!(arriving.check(None), Err(StoreError::Arriving("there".into())));
        assert!(matches!(arriving.check(Some(OTHER)), Err(StoreError::Foreign(_))));
        assert!(matches!(Residence::Here.check(Some(ONE)), Err(StoreError::Foreign(_))));
        for by in [None, Some(ONE)] {
            assert_eq!(Residence::Left(of.clone()).check(by), Err(StoreError::Moved("there".into())));
        }
    }
}
