//! Kind `s3`: Amazon S3 and compatible services, through OpenDAL.

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

/// Amazon S3, or a compatible service
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct S3Settings {
    /// The bucket's name.
    pub(crate) bucket: String,
    /// The service's address; `None` for Amazon.
    pub(crate) endpoint: Option<String>,
    /// The region.
    pub(crate) region: String,
    /// The id of the access key.
    pub(crate) access_key_id: String,
    /// The folder inside the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    pub(crate) certificates: Option<PathBuf>,
}

impl Kind for S3Settings {
    fn target(&self) -> String {
        let service = self.endpoint.as_deref().unwrap_or("Amazon S3");
        format!("{}/{} at {service}", self.bucket, self.path)
    }

    fn secret_name(&self) -> Option<&'static str> {
        Some("secret access key")
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let (endpoint, condition) = match &self.endpoint {
            // Amazon's own heeds it since 2024; of its like some do, and some say that they did.
            None => ("https://s3.amazonaws.com", Condition::Heeded),
            Some(endpoint) => (endpoint.as_str(), Condition::Untried),
        };
        let builder = services::S3::default()
            .bucket(&self.bucket)
            .endpoint(endpoint)
            .region(&self.region)
            .access_key_id(&self.access_key_id)
            .secret_access_key(account.password())
            .root(&self.path)
            .checksum_algorithm("crc32c")
            .disable_config_load()
            .disable_ec2_metadata();
        let objects = Objects::at(endpoint, self.certificates.as_deref(), builder, condition)?;
        Ok(Paths::boxed(objects, Rules::of_bucket(&self.path)))
    }
}
