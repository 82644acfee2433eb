//! The macro that declares structs that are read from JSON objects.

/// Declares a struct that is read from a JSON object by the given keys.
///
/// A field that is missing, null or of a wrong type is absent. A value that is not an object leaves the struct empty.
/// Keys that are not listed are stored in `unknown`, as they are written.
macro_rules! lenient_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $key:literal => pub $field:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        #[non_exhaustive]
        pub struct $name<'a> {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// Fields that this crate does not know, in order of arrival.
            pub unknown: Vec<(&'a str, crate::Raw<'a>)>,
        }

        impl<'a> crate::text::Lenient<'a> for $name<'a> {
            fn fill(&mut self, json: &mut crate::json::Reader<'a>) -> Result<(), crate::JsonError> {
                if json.kind()? != crate::json::Kind::Object {
                    return json.skip();
                }
                let mut members = json.enter()?;
                while let Some(key) = json.next_key(&mut members)? {
                    self.fill_member(key, json)?;
                }
                Ok(())
            }
        }

        impl<'a> $name<'a> {
            /// Reads the value of one key.
            #[inline]
            pub(crate) fn fill_member(
                &mut self,
                key: &'a str,
                json: &mut crate::json::Reader<'a>,
            ) -> Result<(), crate::JsonError> {
                match key {
                    $( $key => crate::text::Lenient::fill(&mut self.$field, json)?, )*
                    _ => self.unknown.push((key, json.raw()?)),
                }
                Ok(())
            }
        }
    };
}

pub(crate) use lenient_struct;
