//! Tera over `templates/`: load, strict, render, check.
//!
//! A page is a struct with samples; [`View::load`] renders every page with every sample before it is used, so a broken
//! template is refused when it is saved and not when somebody opens the page.

pub mod chart;
pub mod connect;
pub mod pages;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use include_dir::{Dir, include_dir};
use tera::{Context, Tera};

use self::pages::Page;
use super::problem::Problem;
use crate::domain::{Kind, all_words};

static DEFAULTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Why the templates were refused.
#[derive(Debug, thiserror::Error)]
#[error("the page templates are refused: {0}")]
pub struct Error(String);

/// The pages as they are now.
#[derive(Debug, Clone)]
pub struct View {
    folder: Option<PathBuf>,
    tera: Arc<ArcSwap<Tera>>,
}

impl View {
    /// The compiled-in templates, each replaced by the file of the same name in `folder`; checked.
    pub fn load(folder: Option<&Path>) -> Result<Self, Error> {
        let tera = load(folder)?;
        Ok(Self {
            folder: folder.map(Path::to_owned),
            tera: Arc::new(ArcSwap::from_pointee(tera)),
        })
    }

    /// Read the folder again. A fault changes nothing.
    pub fn reload(&self) -> Result<(), Error> {
        self.tera.store(Arc::new(load(self.folder.as_deref())?));
        Ok(())
    }

    pub(crate) fn page<P: Page>(&self, status: StatusCode, page: &P) -> Response {
        match render(&self.tera.load(), page) {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    page = P::NAME,
                    "a page does not render"
                );
                Problem::new(Kind::Internal, "the page cannot be shown").into_response()
            }
        }
    }

    /// A file of `templates/static`.
    pub(crate) fn asset(&self, name: &str) -> Option<Bytes> {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !name.starts_with('.');
        if !plain {
            return None;
        }
        let mine = self
            .folder
            .as_ref()
            .map(|folder| folder.join("static").join(name));
        if let Some(bytes) = mine.and_then(|file| std::fs::read(file).ok()) {
            return Some(bytes.into());
        }
        DEFAULTS
            .get_file(format!("static/{name}"))
            .map(|file| Bytes::from_static(file.contents()))
    }
}

fn load(folder: Option<&Path>) -> Result<Tera, Error> {
    let mut sources: Vec<(String, String)> = Vec::new();
    for file in ["", "pages", "parts"]
        .iter()
        .filter_map(|dir| folder_of(dir))
        .flat_map(Dir::files)
    {
        let name = file.path().to_string_lossy().into_owned();
        let mine = folder
            .map(|folder| folder.join(&name))
            .filter(|path| path.is_file());
        let source = match mine {
            Some(path) => std::fs::read_to_string(&path)
                .map_err(|error| Error(format!("{}: {error}", path.display())))?,
            None => file.contents_utf8().unwrap_or_default().to_owned(),
        };
        sources.push((name, source));
    }
    let mut tera = Tera::new();
    tera.autoescape_on(vec![".html"]);
    tera.add_raw_templates(sources)
        .map_err(|error| Error(all_words(&error)))?;
    pages::check(&tera, |_, _| ())?;
    Ok(tera)
}

fn folder_of(dir: &str) -> Option<&'static Dir<'static>> {
    if dir.is_empty() {
        Some(&DEFAULTS)
    } else {
        DEFAULTS.get_dir(dir)
    }
}

fn render<P: Page>(tera: &Tera, page: &P) -> Result<String, Error> {
    let context = Context::from_serialize(page).map_err(|error| Error(all_words(&error)))?;
    tera.render(P::NAME, &context)
        .map_err(|error| Error(all_words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_renders_with_every_sample() {
        View::load(None).unwrap();
    }

    #[test]
    fn a_broken_template_is_refused_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("pages");
        std::fs::create_dir(&pages).unwrap();
        let view = View::load(Some(folder.path())).unwrap();
        std::fs::write(pages.join("login.html"), "{{ no_such_name }}").unwrap();
        let refused = view.reload().unwrap_err().to_string();
        assert!(
            refused.contains("login.html") && refused.contains("no_such_name"),
            "{refused}"
        );
        let login = pages::Login {
            chrome: pages::Chrome::stranger(),
            next: "/".to_owned(),
            username: String::new(),
            error: None,
            providers: Vec::new(),
        };
        assert!(render(&view.tera.load(), &login).unwrap().contains("password"));
        std::fs::write(pages.join("login.html"), "hello").unwrap();
        view.reload().unwrap();
        assert_eq!(render(&view.tera.load(), &login).unwrap(), "hello");
    }

    #[test]
    fn hostile_words_stay_text_on_every_page() {
        let view = View::load(None).unwrap();
        let mut pages = 0;
        let look = |name: &'static str, html: &str| {
            pages += 1;
            assert!(!html.contains("<script>alert"), "{name}");
            assert!(!html.contains(" style=") && !html.contains("<style"), "{name}");
        };
        pages::check(&view.tera.load(), look).unwrap();
        assert!(pages > 25, "{pages}");
    }
}
