//! The macro that declares what can be read from a JSON object.

/// Declares a struct that reads itself from a JSON object by the given keys.
///
/// Fields may be missing, null or of a wrong type: they are then absent. A value that is not an object
/// leaves the struct empty. Keys that are not listed are kept in `unknown`, as they were written.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $key:literal => pub $field:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        pub struct $name<'a> {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// Fields this crate has no name for, in the order they came.
            pub unknown: Vec<(crate::Text<'a>, crate::Raw<'a>)>,
        }

        impl<'a> crate::text::Tolerant<'a> for $name<'a> {
            fn fill<D: serde::Deserializer<'a>>(&mut self, deserializer: D) -> Result<(), D::Error> {
                struct Fill<'s, 'de>(&'s mut $name<'de>);

                impl<'de> serde::de::Visitor<'de> for Fill<'_, 'de> {
                    type Value = ();
                    crate::text::expecting!(concat!("the JSON object ", stringify!($name)));
                    crate::text::otherwise_ignore!(scalars);
                    crate::text::otherwise_ignore!(null);
                    crate::text::otherwise_ignore!(list);

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                        while let Some(crate::object::Key(key)) = map.next_key()? {
                            match key.as_str() {
                                $( $key => map.next_value_seed(crate::text::Into(&mut self.0.$field))?, )*
                                _ => self.0.unknown.push((key, map.next_value()?)),
                            }
                        }
                        Ok(())
                    }
                }

                deserializer.deserialize_any(Fill(self))
            }
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut object = $name::default();
                crate::text::Tolerant::fill(&mut object, deserializer)?;
                Ok(object)
            }
        }
    };
}

pub(crate) use object;

use serde::{Deserialize, Deserializer, de::Visitor};

use crate::{Text, text::expecting};

/// An object's key, borrowed from the input.
pub(crate) struct Key<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Key<'de>;
            expecting!("a key");

            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Text::from(v)))
            }

            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Key(Text::from(v.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
    }
}
