//! The sign-in and its tokens against a stand-in of the service.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::upload::hidden::Hidden;
use crate::upload::oauth::{Keep, Tokens};

const ID: &str = "id-1.apps.example";
const SECRET: &str = "PLANTED-client-secret";

/// Answers each request to the token address as told, and keeps what was asked.
struct Stand {
    service: Service,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stand {
    async fn start(answers: Vec<(u16, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let body = read_request(&mut stream).await;
                kept.lock().unwrap().push(body);
                let (status, text) = answers.next().unwrap_or((500, ""));
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Location: http://127.0.0.1:1/stolen\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let service = Service {
            name: "Somewhere",
            authorize_url: "https://somewhere.example/auth".to_owned(),
            token_url: format!("http://{address}/token"),
            scopes: vec!["photos.append", "photos.read"],
            all_scopes: true,
            extra: &[("access_type", "offline")],
            redirect_host: "127.0.0.1",
            redirect_port: 0,
            when_signed_out: "look whether the project is in Testing",
        };
        Self { service, asked }
    }

    async fn begin(&self) -> SignIn {
        SignIn::begin(self.service.clone(), ID, Some(Secret::new(SECRET)))
            .await
            .unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn tokens(&self, keep: Keep) -> Tokens {
        let grant = Grant {
            client_secret: Some(Secret::new(SECRET)),
            refresh_token: Secret::new("refresh-1"),
        };
        Tokens::new(self.service.clone(), ID, grant, keep, Hidden::default()).unwrap()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                return body.to_owned();
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{text}");
        all.extend_from_slice(&buffer[..count]);
    }
}

/// What a browser does at the end of the consent page.
async fn browse(link: &str, answer: impl Fn(&str) -> String) -> String {
    let link = reqwest::Url::parse(link).unwrap();
    let value = |name: &str| {
        let mut pairs = link.query_pairs();
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    let redirect = reqwest::Url::parse(&value("redirect_uri").unwrap()).unwrap();
    assert_eq!(redirect.host_str(), Some("127.0.0.1"));
    let mut stream = TcpStream::connect(("127.0.0.1", redirect.port().unwrap()))
        .await
        .unwrap();
    let query = answer(&value("state").unwrap());
    let request = format!("GET /{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

async fn sign_in(
    stand: &Stand,
    answer: impl Fn(&str) -> String,
) -> (Result<Grant, SignInError>, String) {
    let begun = stand.begin().await;
    let link = begun.link().to_owned();
    let browser = browse(&link, answer);
    tokio::join!(begun.finish(std::future::pending()), browser)
}

const GRANTED: &str = r#"{"access_token":"access-0","refresh_token":"refresh-0","expires_in":3600,
    "token_type":"Bearer","scope":"photos.read photos.append"}"#;

fn good(state: &str) -> String {
    format!("?state={state}&code=4%2Fcode&scope=x")
}

#[tokio::test]
async fn consent_gives_a_grant_and_the_link_carries_pkce() {
    let stand = Stand::start(vec![(200, GRANTED)]).await;
    let begun = stand.begin().await;
    let link = begun.link().to_owned();
    for part in [
        "code_challenge_method=S256",
        "code_challenge=",
        "access_type=offline",
        "scope=photos.append+photos.read",
        "response_type=code",
    ] {
        assert!(link.contains(part), "{link}");
    }
    assert!(!link.contains(SECRET));
    // Something else knocks first, as browsers do.
    let other = browse(&link, |_| "favicon.ico".to_owned());
    let browser = async { (other.await, browse(&link, good).await) };
    let (grant, (icon, page)) = tokio::join!(begun.finish(std::future::pending()), browser);
    assert!(icon.starts_with("HTTP/1.1 404"), "{icon}");
    assert!(page.contains("close this page"), "{page}");
    let grant = grant.unwrap();
    assert_eq!(grant.refresh_token.reveal(), "refresh-0");
    let asked = stand.asked();
    for part in [
        "grant_type=authorization_code",
        "code=4%2Fcode",
        "code_verifier=",
        "client_secret=",
    ] {
        assert!(asked[0].contains(part), "{asked:?}");
    }
    let again = Grant::from_secret(&stand.service, Some(&grant.to_secret())).unwrap();
    assert_eq!(again, grant);
}

#[tokio::test]
async fn refusal_wrong_state_and_missing_scope_are_told_apart() {
    let stand = Stand::start(vec![]).await;
    let refused = |state: &str| format!("?error=access_denied&state={state}");
    let (ended, page) = sign_in(&stand, refused).await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "access to Somewhere was not granted (access_denied)"
    );
    assert!(page.contains("not granted"), "{page}");
    for query in [
        "?state=other&code=x",
        "?code=x",
        "?error=%3Cscript%3E&state=1",
    ] {
        let (ended, page) = sign_in(&stand, |_| query.to_owned()).await;
        assert!(matches!(ended, Err(SignInError::WrongState)), "{query}");
        assert!(!page.contains("<script>"), "{page}");
    }
    assert!(stand.asked().is_empty(), "a code was used all the same");
    let less =
        r#"{"access_token":"a","refresh_token":"r","token_type":"Bearer","scope":"photos.append"}"#;
    let without = r#"{"access_token":"a","token_type":"Bearer"}"#;
    let stand = Stand::start(vec![(200, less), (200, without)]).await;
    let (ended, _) = sign_in(&stand, good).await;
    assert!(matches!(ended, Err(SignInError::ScopeMissing { .. })));
    let (ended, _) = sign_in(&stand, good).await;
    assert!(matches!(ended, Err(SignInError::NoRefreshToken { .. })));
}

#[tokio::test]
async fn pasted_address_does_as_well() {
    let stand = Stand::start(vec![(200, GRANTED)]).await;
    let begun = stand.begin().await;
    let state = begun.state.secret().clone();
    let address = format!("  http://127.0.0.1:9/?state={state}&code=c#x \n");
    begun.finish(async { address }).await.unwrap();
    for (pasted, wrong_state) in [
        ("http://127.0.0.1:9/?state=x&code=c", true),
        ("nonsense", false),
        ("http://127.0.0.1:9/?state=x", false),
    ] {
        let ended = stand
            .begin()
            .await
            .finish(async { pasted.to_owned() })
            .await;
        match ended.unwrap_err() {
            SignInError::WrongState => assert!(wrong_state, "{pasted}"),
            SignInError::NotAnAnswer => assert!(!wrong_state, "{pasted}"),
            other => panic!("{pasted}: {other}"),
        }
    }
}

#[tokio::test]
async fn tokens_are_renewed_early_and_once() {
    let first = r#"{"access_token":"access-1","expires_in":3600,"token_type":"Bearer"}"#;
    let second = r#"{"access_token":"access-2","expires_in":0,"token_type":"Bearer","refresh_token":"refresh-2"}"#;
    let third = r#"{"access_token":"access-3","expires_in":3600,"token_type":"Bearer"}"#;
    let stand = Stand::start(vec![(200, first), (200, second), (200, third)]).await;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeping = Arc::clone(&kept);
    let tokens = stand.tokens(Arc::new(move |secret: Secret| {
        keeping.lock().unwrap().push(secret.reveal().to_owned());
        Ok(())
    }));
    let (a, b) = tokio::join!(tokens.bearer(), tokens.bearer());
    let a = a.unwrap();
    assert_eq!(a, "Bearer access-1");
    assert_eq!(b.unwrap(), a);
    assert_eq!(stand.asked().len(), 1);
    // The service did not like it: a new one, and an old complaint changes nothing.
    tokens.refused(&a).await;
    assert_eq!(tokens.bearer().await.unwrap(), "Bearer access-2");
    tokens.refused(&a).await;
    // That one ended at once, and brought a new refresh token, which was kept.
    assert_eq!(tokens.bearer().await.unwrap(), "Bearer access-3");
    assert_eq!(tokens.bearer().await.unwrap(), "Bearer access-3");
    let asked = stand.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].contains("refresh_token=refresh-2"), "{asked:?}");
    assert!(kept.lock().unwrap()[0].contains("refresh-2"));
    assert!(!format!("{tokens:?}").contains("access"));
}

#[tokio::test]
async fn expired_sign_in_is_said_with_a_check_and_asked_once() {
    let dead = r#"{"error":"invalid_grant","error_description":"PLANTED words of the service"}"#;
    let stand = Stand::start(vec![(503, ""), (400, dead)]).await;
    let tokens = stand.tokens(Arc::new(|_| Ok(())));
    assert!(matches!(tokens.bearer().await, Err(Problem::Busy { .. })));
    for _ in 0..3 {
        let Err(problem) = tokens.bearer().await else {
            panic!("signed in")
        };
        let Problem::SignedOut { words, check } = problem else {
            panic!("{problem}")
        };
        let said = format!("{words} {check}");
        for part in ["invalid_grant", "project is in Testing"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("PLANTED"), "{said}");
    }
    assert_eq!(stand.asked().len(), 2);
}

#[tokio::test]
async fn nonsense_and_redirects_of_the_service_carry_nothing_away() {
    let long = "x".repeat(20_000);
    let long: &'static str = format!(r#"{{"access_token":"{long}","token_type":"Bearer"}}"#).leak();
    let huge: &'static str = "[".repeat(5_000_000).leak();
    let answers = vec![
        (200, "{}"),
        (200, r#"{"access_token":7,"token_type":"Bearer"}"#),
        (200, r#"{"access_token":"a\r\nb: c","token_type":"Bearer"}"#),
        (200, r#"{"access_token":"","token_type":"Bearer"}"#),
        (200, long),
        (307, ""),
        (400, r#"{"error":"bad\u001b[31m <b>"}"#),
        (400, "<html>"),
        (200, huge),
    ];
    let count = answers.len();
    let stand = Stand::start(answers).await;
    for nth in 0..count {
        let tokens = stand.tokens(Arc::new(|_| Ok(())));
        let problem = tokens.bearer().await.unwrap_err();
        let said = problem.to_string();
        assert!(
            said.len() < 300 && !said.contains('\u{1b}'),
            "{nth}: {said}"
        );
        assert!(
            !said.contains(SECRET) && !said.contains("refresh-1"),
            "{said}"
        );
    }
    assert_eq!(stand.asked().len(), count, "something was asked elsewhere");
}
