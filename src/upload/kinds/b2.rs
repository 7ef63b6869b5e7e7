//! Kind `b2`: Backblaze B2, by its S3-compatible API, through OpenDAL.

use std::path::PathBuf;

use clap::Args;
use opendal::services;
use serde::{Deserialize, Serialize};

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, Remote, RemoteKind, RemoteOptions,
    given,
};
use crate::upload::given::ServiceName;
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::rules::Rules;

/// Backblaze B2
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(
    override_usage = "rescue remote add <NAME> b2 [OPTIONS] --endpoint <HOST> --key-id <ID> <BUCKET>"
)]
pub(crate) struct B2Settings {
    /// The bucket; must exist
    bucket: String,
    /// The bucket's endpoint as B2's bucket page shows it, as in s3.us-west-004.backblazeb2.com
    #[arg(long, value_name = "HOST")]
    endpoint: String,
    /// The keyID of an application key (the applicationKey is asked for)
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// Folder of the bucket to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    certificates: Option<PathBuf>,
}

impl B2Settings {
    /// Returns the region, which is part of the address: `https://s3.us-west-004.backblazeb2.com`.
    fn region(&self) -> &str {
        let host = self.endpoint.split("://").last().unwrap_or_default();
        let mut names = host.split('.');
        match (names.next(), names.next()) {
            (Some("s3"), Some(region)) => region,
            _ => "us-east-1",
        }
    }
}

impl RemoteOptions for B2Settings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            bucket: ServiceName::Bucket.checked(&self.bucket)?,
            key_id: ServiceName::KeyId.checked(&self.key_id)?,
            endpoint: address_or_host(&self.endpoint)?,
            path: given::inside(&self.path),
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "endpoint" => address_or_host(answer).map(drop),
            _ => given::check(option, answer),
        }
    }
}

impl RemoteKind for B2Settings {
    fn target(&self) -> String {
        format!("{}/{} at {}", self.bucket, self.path, self.endpoint)
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("applicationKey"))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        // No checksum headers: B2's S3 side has refused those that Amazon added.
        let builder = services::S3::default()
            .bucket(&self.bucket)
            .endpoint(&self.endpoint)
            .region(self.region())
            .access_key_id(&self.key_id)
            .secret_access_key(account.password())
            .root(&self.path)
            .disable_config_load()
            .disable_ec2_metadata();
        let certificates = self.certificates.as_deref();
        // B2 answers 501 to a condition.
        let objects = Objects::at(&self.endpoint, certificates, builder, Condition::Unknown)?;
        Ok(Paths::boxed(objects, Rules::of_bucket(&self.path)))
    }
}

/// Returns an address from an address or its host alone: B2's page shows no more.
fn address_or_host(text: &str) -> Result<String, Error> {
    match text.contains("://") {
        true => given::address(text),
        false => given::address(&format!("https://{}", text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_read_from_the_address() {
        let at = |endpoint: &str| B2Settings {
            bucket: "photos".to_owned(),
            endpoint: endpoint.to_owned(),
            key_id: "004".to_owned(),
            path: String::new(),
            certificates: None,
        };
        let region = |endpoint| at(endpoint).region().to_owned();
        assert_eq!(
            region("https://s3.us-west-004.backblazeb2.com"),
            "us-west-004"
        );
        assert_eq!(region("http://127.0.0.1:9000"), "us-east-1");
    }
}
