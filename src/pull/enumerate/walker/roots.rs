//! Where a walk begins: the phone's volumes, those of other users, or the folders that the user named.

use super::super::known_path;
use super::super::volumes::{INTERNAL, INTERNAL_ROOTS, Root, VolumeKind};
use super::{PendingFolder, Walker};
use crate::adb::RemotePath;
use crate::event::{Event, Events};
use crate::folder::{Reason, ReasonCode};
use crate::item::Volume;
use crate::media::choice::{Walk, is_private_folder};

impl Walker<'_> {
    pub(super) fn add_volumes(&mut self, places: Vec<Root>, events: &Events) {
        for place in places {
            self.add_volume(place, events);
        }
        // A card alone is better than nothing, but not everything.
        let volumes = &self.found.volumes;
        if !volumes.is_empty() && volumes.iter().all(|volume| volume.label != INTERNAL) {
            let message = "internal storage is not there: was the phone unlocked since it started?";
            let reason = Reason::new(ReasonCode::PermissionDenied, message);
            self.refuse(known_path(INTERNAL_ROOTS[0]), reason);
        }
    }

    fn add_volume(&mut self, place: Root, events: &Events) {
        events.emit(Event::Listing {
            volume: place.volume.label.clone(),
        });
        let walk = self.selection.walk(std::iter::empty());
        let (root, index) = (place.volume.root.clone(), self.add_place(place));
        self.add_root(root, index, walk);
    }

    fn add_place(&mut self, place: Root) -> usize {
        self.standings.push((place.standing, place.identity));
        self.found.volumes.push(place.volume);
        self.found.volumes.len() - 1
    }

    /// Adds the storage of other users to the walk.
    pub(in super::super) fn add_users(&mut self, users: &[u32], events: &Events) {
        for user in users {
            let place = Root::of_user(*user);
            let is_new = self
                .found
                .volumes
                .iter()
                .all(|known| *known != place.volume);
            if is_new {
                self.add_volume(place, events);
            }
        }
    }

    pub(super) fn add_named_roots(&mut self, places: Vec<Root>, folders: &[RemotePath]) {
        for mut place in places {
            // What is asked for by its name is missed when it cannot be read.
            place.standing = VolumeKind::Card;
            self.add_place(place);
        }
        let mut root_of_all = None;
        for folder in folders {
            let inside =
                |volume: &Volume| volume.root == *folder || folder.below(&volume.root).is_some();
            let volume = match self.found.volumes.iter().position(inside) {
                Some(volume) => volume,
                None => *root_of_all.get_or_insert_with(|| {
                    self.add_place(Root {
                        volume: Volume {
                            root: known_path("/"),
                            label: "root".to_owned(),
                        },
                        standing: VolumeKind::Internal,
                        identity: None,
                    })
                }),
            };
            let root = self.found.volumes.get(volume).map(|volume| &volume.root);
            let below = root.and_then(|root| folder.below(root));
            self.asks_for_private |= below.is_some_and(is_private_folder);
            self.add_root(folder.clone(), volume, Walk::Everything);
        }
    }

    fn add_root(&mut self, path: RemotePath, volume: usize, walk: Walk) {
        self.roots.push((path.clone(), 0));
        self.waiting.push_back(PendingFolder {
            path,
            volume,
            root: self.roots.len() - 1,
            walk,
            place: None,
            failures: 0,
        });
    }
}
