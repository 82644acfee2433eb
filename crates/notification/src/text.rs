//! Scalars as RingCentral means them, whatever JSON type they arrive in.
//!
//! Ids are strings of digits in events and numbers in some REST answers; a field may be `null`, or an
//! object where a string belongs. None of that may cost a notification: what cannot be understood is
//! taken as absent.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

/// A JSON value kept as it was written: fields this crate has no type for.
pub type Raw<'a> = &'a RawValue;

/// A string of the input, borrowed unless it held an escape or was written as a number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that takes any JSON value and makes the best of it. It is filled where it lies: a notification
/// is a kilobyte of borrowed text, and moving it about would cost more than reading it.
pub(crate) trait Tolerant<'de> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

/// Lets serde fill a [`Tolerant`] field of a map or a list.
pub(crate) struct Into<'s, T>(pub(crate) &'s mut T);

impl<'de, T: Tolerant<'de>> DeserializeSeed<'de> for Into<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.fill(deserializer)
    }
}

/// Visits every kind of JSON value with the same answer, but for the kinds the caller implements.
macro_rules! otherwise_ignore {
    (scalars) => {
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        crate::text::otherwise_ignore!(numbers);
        crate::text::otherwise_ignore!(bool);
    };
    (numbers) => {
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
    };
    (bool) => {
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }
    };
    (null) => {
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    };
    (list) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            Ok(())
        }
    };
    (object) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            Ok(())
        }
    };
}
pub(crate) use otherwise_ignore;

macro_rules! expecting {
    ($what:expr) => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str($what)
        }
    };
}
pub(crate) use expecting;

impl<'de> Tolerant<'de> for Option<Text<'de>> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Fill<'s, 'de>(&'s mut Option<Text<'de>>);

        impl<'de> Visitor<'de> for Fill<'_, 'de> {
            type Value = ();
            expecting!("a string");
            otherwise_ignore!(bool);
            otherwise_ignore!(null);
            otherwise_ignore!(list);
            otherwise_ignore!(object);

            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<(), E> {
                *self.0 = Some(Text::from(v));
                Ok(())
            }

            fn visit_str<E>(self, v: &str) -> Result<(), E> {
                *self.0 = Some(Text::from(v.to_owned()));
                Ok(())
            }

            fn visit_i64<E>(self, v: i64) -> Result<(), E> {
                *self.0 = Some(Text::from(v.to_string()));
                Ok(())
            }

            fn visit_u64<E>(self, v: u64) -> Result<(), E> {
                *self.0 = Some(Text::from(v.to_string()));
                Ok(())
            }

            fn visit_f64<E>(self, v: f64) -> Result<(), E> {
                *self.0 = Some(Text::from(v.to_string()));
                Ok(())
            }
        }

        deserializer.deserialize_any(Fill(self))
    }
}

impl<'de> Tolerant<'de> for Option<i64> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Fill<'s>(&'s mut Option<i64>);

        impl<'de> Visitor<'de> for Fill<'_> {
            type Value = ();
            expecting!("a whole number");
            otherwise_ignore!(bool);
            otherwise_ignore!(null);
            otherwise_ignore!(list);
            otherwise_ignore!(object);

            fn visit_str<E>(self, v: &str) -> Result<(), E> {
                *self.0 = v.trim().parse().ok();
                Ok(())
            }

            fn visit_i64<E>(self, v: i64) -> Result<(), E> {
                *self.0 = Some(v);
                Ok(())
            }

            fn visit_u64<E>(self, v: u64) -> Result<(), E> {
                *self.0 = i64::try_from(v).ok();
                Ok(())
            }

            fn visit_f64<E>(self, v: f64) -> Result<(), E> {
                let whole = v.fract() == 0.0 && v.abs() < 9e15;
                *self.0 = whole.then_some(v as i64);
                Ok(())
            }
        }

        deserializer.deserialize_any(Fill(self))
    }
}

impl<'de> Tolerant<'de> for Option<bool> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Fill<'s>(&'s mut Option<bool>);

        impl<'de> Visitor<'de> for Fill<'_> {
            type Value = ();
            expecting!("true or false");
            otherwise_ignore!(numbers);
            otherwise_ignore!(null);
            otherwise_ignore!(list);
            otherwise_ignore!(object);

            fn visit_bool<E>(self, v: bool) -> Result<(), E> {
                *self.0 = Some(v);
                Ok(())
            }

            fn visit_str<E>(self, v: &str) -> Result<(), E> {
                *self.0 = match v {
                    "true" | "True" => Some(true),
                    "false" | "False" => Some(false),
                    _ => None,
                };
                Ok(())
            }
        }

        deserializer.deserialize_any(Fill(self))
    }
}

impl<'de> Tolerant<'de> for Option<Raw<'de>> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        *self = serde::Deserialize::deserialize(deserializer)?;
        Ok(())
    }
}

impl<'de, T: Tolerant<'de> + Default> Tolerant<'de> for Option<Box<T>> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.get_or_insert_default().fill(deserializer)
    }
}

/// Adds an element to a list and fills it there.
struct Push<'s, T>(&'s mut Vec<T>);

impl<'de, T: Tolerant<'de> + Default> DeserializeSeed<'de> for Push<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Nearly all lists have one element.
        self.0.reserve_exact(1);
        self.0.push(T::default());
        self.0.last_mut().map_or(Ok(()), |last| last.fill(deserializer))
    }
}

/// A list, or one object where a list belongs.
impl<'de, T: Tolerant<'de> + Default> Tolerant<'de> for Vec<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Fill<'s, T>(&'s mut Vec<T>);

        impl<'de, T: Tolerant<'de> + Default> Visitor<'de> for Fill<'_, T> {
            type Value = ();
            expecting!("a list");
            otherwise_ignore!(scalars);
            otherwise_ignore!(null);

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
                while seq.next_element_seed(Push(self.0))?.is_some() {}
                Ok(())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
                Push(self.0).deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Fill(self))
    }
}
