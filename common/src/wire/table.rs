//! What one row of the table of messages becomes: a variant of a borrowed and of an owned type, how they are
//! read and written, and its description.

/// Declares groups of messages. A row is
///
/// ```text
/// /// What it means.
/// 0x21 Post (member -> Posted) { title: Title, text: Text },
/// ```
///
/// its kind, its name, the phase of a connection in which it may come and what answers it, and its fields in
/// the order in which they stand in the body. A message without a body has no braces; one without an answer
/// has no arrow.
///
/// The type of a field is one of [`super::field`], or `Option<…>` of one.
macro_rules! messages {
    ($(
        $(#[doc = $group_doc:literal])*
        $group:ident / $owned:ident {
            $(
                $(#[doc = $doc:literal])+
                $kind:literal $name:ident ($phase:ident $(-> $($answer:ident)+)?)
                $({ $( $(#[doc = $field_doc:literal])* $field:ident: $type:ident $(<$inner:ident>)? ),+ $(,)? })?
            ),+ $(,)?
        }
    )+) => {
        $(messages! {
            @group
            $(#[doc = $group_doc])*
            $group / $owned {
                $(
                    $(#[doc = $doc])+
                    $kind $name ($phase $(-> $($answer)+)?)
                    $({ $( $(#[doc = $field_doc])* $field: $type $(<$inner>)? ),+ })?
                ),+
            }
        })+

        /// The kind of every message, by its name.
        #[allow(non_upper_case_globals)]
        pub mod kinds {
            $($(
                #[doc = concat!("The kind of `", stringify!($name), "`.")]
                pub const $name: u8 = $kind;
            )+)+
        }

        /// Every group of messages, described.
        pub(super) const GROUPS: [GroupInfo; [$(stringify!($group)),+].len()] = [$(
            GroupInfo {
                name: stringify!($group),
                doc: concat!($($group_doc),*),
                messages: $group::INFO,
            },
        )+];
    };

    (@group
        $(#[doc = $group_doc:literal])*
        $group:ident / $owned:ident {
            $(
                $(#[doc = $doc:literal])+
                $kind:literal $name:ident ($phase:ident $(-> $($answer:ident)+)?)
                $({ $( $(#[doc = $field_doc:literal])* $field:ident: $type:ident $(<$inner:ident>)? ),+ })?
            ),+
        }
    ) => {
        $(#[doc = $group_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $group<'a> {
            $(
                $(#[doc = $doc])+
                $name $({ $(
                    #[doc = concat!("`", stringify!($type $(<$inner>)?), "`")]
                    $(#[doc = $field_doc])*
                    $field: borrowed!('a $type $(<$inner>)?),
                )+ })?,
            )+
        }

        #[doc = concat!("[`", stringify!($group), "`] with memory of its own.")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $owned {
            $(
                $(#[doc = $doc])+
                $name $({ $(
                    #[doc = concat!("`", stringify!($type $(<$inner>)?), "`")]
                    $(#[doc = $field_doc])*
                    $field: <$type $(<$inner>)? as Field>::Owned,
                )+ })?,
            )+
        }

        impl<'a> $group<'a> {
            /// Every message of this group, described.
            pub const INFO: &'static [MessageInfo] = &[$(
                MessageInfo {
                    kind: $kind,
                    name: stringify!($name),
                    direction: crate::wire::info::direction($kind),
                    phase: stringify!($phase),
                    answers: &[$($(stringify!($answer)),+)?],
                    doc: concat!($($doc),+),
                    fields: &[$($(FieldInfo {
                        name: stringify!($field),
                        of: <$type $(<$inner>)? as Field>::NAME,
                        optional: <$type $(<$inner>)? as Field>::IS_OPTIONAL,
                        at_most: <$type $(<$inner>)? as Field>::TEXT_BYTES_MAX,
                        doc: concat!("", $($field_doc),*),
                    }),+)?],
                },
            )+];

            /// Whether a message of this group has this kind.
            #[inline]
            #[allow(clippy::manual_range_patterns)]
            pub const fn is_kind(kind: u8) -> bool {
                matches!(kind, $($kind)|+)
            }

            /// Reads a message from a frame. What a body has after the last known field is ignored.
            ///
            /// # Errors
            /// The frame is of no kind of this group, or its body is not what its kind promises.
            #[inline]
            pub fn decode(frame: &Frame<'a>) -> Result<Self, Malformed> {
                #[allow(unused_mut, unused_variables)]
                let mut reader = Reader::new(frame.body);
                match frame.kind {
                    $($kind => Ok(Self::$name $({ $(
                        $field: <$type $(<$inner>)? as Field>::read(&mut reader)?,
                    )+ })?),)+
                    kind => Err(Malformed::UnknownKind(kind)),
                }
            }

            /// Appends this message to `out` as one frame.
            #[inline]
            pub fn encode(&self, tag: Tag, out: &mut Vec<u8>) {
                match *self {
                    $(Self::$name $({ $($field),+ })? => {
                        #[allow(unused_mut)]
                        let mut writer = Writer::new(out, $kind, tag);
                        $(write_fields!(writer, $($field: $type $(<$inner>)?),+);)?
                        writer.finish();
                    })+
                }
            }

            /// The kind of this message.
            #[inline]
            pub const fn kind(&self) -> u8 {
                match self {
                    $(Self::$name $({ $($field: _),+ })? => $kind,)+
                }
            }

            /// The name of this message's kind.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name $({ $($field: _),+ })? => stringify!($name),)+
                }
            }

            /// Whether the other end answers this message.
            #[inline]
            pub const fn is_answered(&self) -> bool {
                match self {
                    $(Self::$name $({ $($field: _),+ })? => {
                        const ANSWERS: &[&str] = &[$($(stringify!($answer)),+)?];
                        !ANSWERS.is_empty()
                    })+
                }
            }

            /// The key of a change, if it has one.
            #[inline]
            #[allow(unused_variables)]
            pub fn key(&self) -> Option<Key> {
                let place: Option<&Option<Key>> = match self {
                    $(Self::$name $({ $($field),+ })? => key_of!($($($field = $field),+)?),)+
                };
                *place?
            }

            /// Where the key of a change is kept; `None`: this message takes none.
            #[allow(unused_variables)]
            pub fn key_mut(&mut self) -> Option<&mut Option<Key>> {
                match self {
                    $(Self::$name $({ $($field),+ })? => key_of!($($($field = $field),+)?),)+
                }
            }

            /// Copies this message out of its frame.
            pub fn owned(self) -> $owned {
                match self {
                    $(Self::$name $({ $($field),+ })? => $owned::$name $({ $(
                        $field: <$type $(<$inner>)? as Field>::own($field),
                    )+ })?,)+
                }
            }
        }

        /// As an object: `kind` is the name of the message's kind, and each field has its name. The program-readable
        /// output of the client is made of it.
        impl serde::Serialize for $group<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("kind", self.name())?;
                match *self {
                    $(Self::$name $({ $($field),+ })? => {
                        $($(map.serialize_entry(
                            stringify!($field),
                            &crate::wire::field::Json::<$type $(<$inner>)?>($field),
                        )?;)+)?
                    })+
                }
                map.end()
            }
        }

        impl $owned {
            /// This message, borrowed.
            pub fn as_ref(&self) -> $group<'_> {
                match self {
                    $(Self::$name $({ $($field),+ })? => $group::$name $({ $(
                        $field: <$type $(<$inner>)? as Field>::borrow($field),
                    )+ })?,)+
                }
            }
        }

        // Whatever its strings hold, a message fits a frame.
        $(const _: () = assert!(
            HEADER_BYTES $($(+ <$type $(<$inner>)? as Field>::BYTES_MAX)+)? <= FRAME_BYTES_MAX,
            concat!(stringify!($name), " does not fit a frame"),
        );)+
    };
}

/// Writes the fields of a body. The last one is left out if it is absent: a reader takes a body that ends early
/// for one whose optional fields are.
macro_rules! write_fields {
    ($out:ident, $field:ident: Option<$type:ident>) => {
        if $field.is_some() {
            <Option<$type> as Field>::write($field, &mut $out);
        }
    };
    ($out:ident, $field:ident: $type:ident) => {
        <$type as Field>::write($field, &mut $out);
    };
    ($out:ident, $field:ident: Option<$type:ident>, $($more:tt)+) => {
        <Option<$type> as Field>::write($field, &mut $out);
        write_fields!($out, $($more)+);
    };
    ($out:ident, $field:ident: $type:ident, $($more:tt)+) => {
        <$type as Field>::write($field, &mut $out);
        write_fields!($out, $($more)+);
    };
}

/// The binding of the field that is called `key`, if there is one.
macro_rules! key_of {
    () => { None };
    (key = $key:ident $($more:tt)*) => { Some($key) };
    ($field:ident = $same:ident $(, $($more:tt)*)?) => { key_of!($($($more)*)?) };
}

/// The Rust type of a field. A projection of [`super::field::Field`] would say the same, but a type with one in it
/// can't be used where one of a shorter lifetime is wanted.
macro_rules! borrowed {
    ($lt:lifetime Option<$type:ident>) => { Option<borrowed!($lt $type)> };
    ($lt:lifetime UserName) => { &$lt str };
    ($lt:lifetime Title) => { &$lt str };
    ($lt:lifetime FileName) => { &$lt str };
    ($lt:lifetime Password) => { &$lt str };
    ($lt:lifetime Text) => { &$lt str };
    ($lt:lifetime Words) => { &$lt str };
    ($lt:lifetime Names) => { &$lt str };
    ($lt:lifetime Line) => { &$lt str };
    ($lt:lifetime Rest) => { &$lt [u8] };
    ($lt:lifetime Handshake) => { &$lt [u8] };
    ($lt:lifetime Ciphertext) => { &$lt [u8] };
    ($lt:lifetime Limits) => { super::LimitList<$lt> };
    ($lt:lifetime Time) => { u64 };
    ($lt:lifetime Range) => { (u32, u32) };
    ($lt:lifetime $type:ident) => { $type };
}

pub(super) use {borrowed, key_of, messages, write_fields};
