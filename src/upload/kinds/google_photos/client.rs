//! Walks a person through making a client ID of their own.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Kind as ErrorKind};
use crate::upload::kinds::Person;
use crate::upload::secret::Secret;

/// The file that Google lets one download has some 400 bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

const HOW_TO: &str = "\
Google gives a program access to your photos only with a client ID, and everybody makes their own. \
It takes about ten minutes, once, and costs nothing:

 1. Make a project (any name): https://console.cloud.google.com/projectcreate
 2. Switch on its Photos Library API: https://console.cloud.google.com/apis/library/photoslibrary.googleapis.com
 3. Say what it is for (any name, your own address, audience \"External\"): https://console.cloud.google.com/auth/branding
 4. Publish it (\"Publish app\"): https://console.cloud.google.com/auth/audience
 5. Make the client ID (application type \"Desktop app\", then \"Download JSON\"): \
https://console.cloud.google.com/auth/clients/create

Do not skip step 4: while the project says \"Testing\", Google ends every sign-in after 7 days.

When you sign in, Google warns that it has not verified the app. The app is your own project: \
\"Advanced\", then \"Go to ...\". On the next page, tick every box.
";

/// Returns the client ID, and the client's secret if a file held it.
pub(super) async fn client(
    client_id: Option<String>,
    client_file: Option<&Path>,
    person: &impl Person,
) -> Result<(String, Option<Secret>), Error> {
    let (id, secret) = match (client_id, client_file) {
        (_, Some(file)) => from_file(file)?,
        (Some(id), None) => (id, None),
        (None, None) => from_person(person).await?,
    };
    Ok((checked(&id)?, secret))
}

async fn from_person(person: &impl Person) -> Result<(String, Option<Secret>), Error> {
    person.explain(HOW_TO);
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::new(ErrorKind::Usage, "the client ID is missing").with_hint(
                "make one as described above, then give the downloaded file with --client-file FILE",
            ),
        );
    }
    let question = "\nThe downloaded file, or the client ID: ";
    let line = person.ask(question).await.map_err(|error| {
        Error::new(ErrorKind::Usage, "the client ID could not be read").caused_by(error)
    })?;
    let line = line.trim().trim_matches(['\'', '"']);
    match Path::new(line).is_file() {
        true => from_file(Path::new(line)),
        false => Ok((line.to_owned(), None)),
    }
}

#[derive(Deserialize)]
struct Downloaded {
    installed: Option<OAuthClient>,
    web: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct OAuthClient {
    client_id: String,
    client_secret: Secret,
}

pub(super) fn from_file(path: &Path) -> Result<(String, Option<Secret>), Error> {
    let unusable = |why: String| {
        Error::new(
            ErrorKind::Usage,
            format!("cannot use {}: {why}", path.display()),
        )
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| unusable(error.to_string()).with_hint("check the path"))?;
    // Not serde's own words: they may repeat the secret.
    let hint = "download it again on the page of your client ID, with \"Download JSON\"";
    let downloaded: Downloaded = serde_json::from_str(&text).map_err(|_| {
        unusable("it is not the file that Google offers for download".to_owned()).with_hint(hint)
    })?;
    match downloaded {
        Downloaded {
            installed: Some(client),
            ..
        } => Ok((client.client_id, Some(client.client_secret))),
        Downloaded { web: Some(_), .. } => {
            Err(unusable("the client ID is for a web server".to_owned())
                .with_hint("make another one, of the type \"Desktop app\""))
        }
        Downloaded { .. } => {
            Err(unusable("there is no client ID in it".to_owned()).with_hint(hint))
        }
    }
}

/// A client ID as Google spells it; anything else is a slip that would be known late.
pub(super) fn checked(id: &str) -> Result<String, Error> {
    let id = id.trim();
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match id.len() <= 200 && id.chars().all(fine) && id.ends_with(".apps.googleusercontent.com") {
        true => Ok(id.to_owned()),
        false => {
            // What may be the secret is not shown.
            let shown = match id.starts_with("GOCSPX-") {
                true => "a client secret".to_owned(),
                false => format!("'{id}'"),
            };
            let message = format!("{shown} is not a client ID of Google's");
            Err(Error::new(ErrorKind::Usage, message).with_hint(
                "give it as in 123-abc.apps.googleusercontent.com, or give the downloaded file",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_terminal_breaks_lines() {
        // A line that the text broke by itself begins within a sentence, or further in.
        let begins = |line: &str| {
            let number = line.trim_start_matches(' ').split_once(". ");
            let text = number.map_or(line, |(number, text)| match number.parse::<u8>() {
                Ok(_) => text,
                Err(_) => line,
            });
            text.is_empty() || text.starts_with(|c: char| c.is_ascii_uppercase())
        };
        let broken: Vec<_> = HOW_TO.lines().filter(|line| !begins(line)).collect();
        assert!(broken.is_empty(), "{broken:?}");
        assert!(HOW_TO.contains("everybody makes their own. It takes"));
    }

    #[test]
    fn downloaded_files_are_read_and_wrong_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            from_file(&file)
        };
        let good = r#"{"installed":{"client_id":"1-a.apps.googleusercontent.com","client_secret":"PLANTED","redirect_uris":["http://localhost"]}}"#;
        let (id, secret) = read(good).unwrap();
        assert_eq!(id, "1-a.apps.googleusercontent.com");
        assert_eq!(secret.unwrap().reveal(), "PLANTED");
        for (text, said) in [
            (
                r#"{"web":{"client_id":"x","client_secret":"PLANTED"}}"#,
                "web server",
            ),
            (
                r#"{"installed":{"client_id":7,"client_secret":"PLANTED"}}"#,
                "not the file",
            ),
            ("{}", "no client ID"),
            ("PLANTED", "not the file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(said), "{}", error.message);
            assert!(!format!("{error:?}").contains("PLANTED"), "{error:?}");
        }
    }

    #[test]
    fn slips_of_client_ids_are_known_at_once() {
        assert!(checked(" 1-a.apps.googleusercontent.com\n").is_ok());
        for id in ["", "GOCSPX-secret", "a b.apps.googleusercontent.com"] {
            assert!(checked(id).is_err(), "{id}");
        }
    }
}
