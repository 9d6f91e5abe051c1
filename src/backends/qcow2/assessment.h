// What a survey means: which layers the volumes stand on, what is damaged, what can be accounted for and what cannot.
// The second half of every start; pure, touches no file.
//
// The rules. A layer is needed when a manifest refers to it or a needed layer stands on it. A file is rubbish only when
// there is proof: a manifest or a tombstone lists the layer as dropped, or it is a draft that no manifest names, and
// every manifest could be read. A needed layer whose file is missing or unreadable damages the volumes and snapshots
// that read through it, and nobody else. Everything else is set aside.
#pragma once

#include <map>
#include <set>
#include <string>

#include "backends/qcow2/layer_graph.h"
#include "backends/qcow2/survey.h"

namespace varve::qcow2 {

struct Assessment {
  // Every layer that is needed, dropped or lies around. Needed ones are referred to once by each manifest and snapshot;
  // those that nobody needs, in place or in quarantine, are kept by a reference, and so is what they stand on.
  LayerGraph graph;
  std::map<VolumeId, Manifest> manifests;         // readable ones, with all that is known as dropped, none smaller
                                                  // than its active layer
  std::map<VolumeId, std::set<LayerId>> deleted;  // tombstones, and which of their layers are still there
  std::map<VolumeId, std::string> unreadable;     // manifests, and why
  std::map<LayerId, VolumeId> dropped;            // by whom; the file is there

  // What is to be done now.
  std::set<LayerId> drafts_to_finish;           // a manifest names them: they get their final name
  std::set<LayerId> drafts_to_remove;           // no manifest does that can be read
  std::set<LayerId> to_put_back;                // in quarantine, but needed
  std::map<LayerId, std::string> to_set_aside;  // and why
  std::map<LayerId, std::string> unaccounted;   // would be set aside, were all manifests readable
};

Assessment assess(const Survey& survey);

}  // namespace varve::qcow2
