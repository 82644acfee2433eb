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
                        while let Some(key) = map.next_key::<Key<'de>>()? {
                            match key {
                                $( Key::$field => map.next_value_seed(crate::text::Into(&mut self.0.$field))?, )*
                                Key::Unknown(key) => self.0.unknown.push((key, map.next_value()?)),
                            }
                        }
                        Ok(())
                    }
                }

                #[expect(non_camel_case_types, reason = "named after the fields")]
                enum Key<'a> {
                    $( $field, )*
                    Unknown(crate::Text<'a>),
                }

                impl<'de> serde::Deserialize<'de> for Key<'de> {
                    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                        struct Read;

                        impl<'de> serde::de::Visitor<'de> for Read {
                            type Value = Key<'de>;
                            crate::text::expecting!("a key");

                            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                                Ok(match key {
                                    $( $key => Key::$field, )*
                                    _ => Key::Unknown(crate::Text::from(key)),
                                })
                            }

                            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                                Ok(match key {
                                    $( $key => Key::$field, )*
                                    _ => Key::Unknown(crate::Text::from(key.to_owned())),
                                })
                            }
                        }

                        deserializer.deserialize_identifier(Read)
                    }
                }

                deserializer.deserialize_any(Fill(self))
            }
        }
    };
}

pub(crate) use object;
