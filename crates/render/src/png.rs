//! Renders SVG drawings as PNG with an embedded typeface: no font needs to be installed.
//!
//! The typeface is Inter (SIL Open Font License, `fonts/OFL.txt`), reduced to Latin, Greek and Cyrillic.
//! Characters of other scripts are drawn as boxes; an SVG uses the reader's own fonts for them.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb},
};

/// Why a drawing could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The input is not SVG.
    #[error("the drawing cannot be read: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// A side would be longer than [`MAX_SIDE_PIXELS`].
    #[error("the drawing has {0} × {1} pixels; a picture has at most {MAX_SIDE_PIXELS} on a side")]
    Size(u32, u32),
    /// The PNG cannot be encoded.
    #[error("the picture cannot be written: {0}")]
    Png(String),
}

/// Maximum width and height of a picture, in pixels.
pub const MAX_SIDE_PIXELS: u32 = 16_384;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../fonts/Inter-Regular.ttf").to_vec());
    fonts.load_font_data(include_bytes!("../fonts/Inter-SemiBold.ttf").to_vec());
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});

/// Renders an SVG as PNG with `scale` pixels per unit: 2 is sharp on most screens. A drawing that would be
/// too large is rendered with one pixel per unit.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PictureError> {
    let options = Options { font_family: "Inter".to_owned(), fontdb: FONTS.clone(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let side = tree.size().width().max(tree.size().height());
    let scale = if side * scale > MAX_SIDE_PIXELS as f32 { 1.0 } else { scale };
    let pixels = |length: f32| (length * scale).ceil() as u32;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let too_large = || PictureError::Size(width, height);
    if width.max(height) > MAX_SIDE_PIXELS {
        return Err(too_large());
    }
    let mut pixmap = Pixmap::new(width, height).ok_or_else(too_large)?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| PictureError::Png(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    const HELLO: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20'>\
        <rect width='40' height='20' fill='#fff'/><text x='2' y='15' font-size='14'>Ég</text></svg>";

    #[test]
    fn text_is_drawn_without_any_font_of_the_system() {
        let with = png(HELLO, 2.0).unwrap();
        let without = png(&HELLO.replace("Ég", ""), 2.0).unwrap();
        assert!(with.starts_with(b"\x89PNG\r\n"));
        assert_eq!(with[16..24], [0, 0, 0, 80, 0, 0, 0, 40], "80 × 40 pixels");
        assert_ne!(with, without);
    }

    #[test]
    fn a_drawing_that_cannot_be_rendered_is_an_error() {
        assert!(matches!(png("<svg", 1.0), Err(PictureError::Svg(_))));
        let vast = HELLO.replace("width='40' height='20'>", "width='40' height='99999'>");
        assert!(matches!(png(&vast, 2.0), Err(PictureError::Size(40, 99_999))));
    }
}
