//! Kind `b2`: Backblaze B2, by its S3-compatible API, through OpenDAL.

use std::path::PathBuf;

use opendal::services;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::upload::Remote;
use crate::upload::account::Account;
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::problem::Problem;
use crate::upload::rules::Rules;

/// Backblaze B2
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct B2Settings {
    /// The bucket's name.
    pub(crate) bucket: String,
    /// The address of B2's S3-compatible API.
    pub(crate) endpoint: String,
    /// The id of the application key.
    pub(crate) key_id: String,
    /// The folder inside the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    pub(crate) certificates: Option<PathBuf>,
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

impl Kind for B2Settings {
    fn target(&self) -> String {
        format!("{}/{} at {}", self.bucket, self.path, self.endpoint)
    }

    fn secret_name(&self) -> Option<&'static str> {
        Some("applicationKey")
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
