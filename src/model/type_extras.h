// What volume types may be associated with: encryption, and QoS specs that several types share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "model/metadata.h"
#include "model/resources.h"

namespace varve::model {

// Volumes of the type are encrypted. QEMU decides how (LUKS, AES-256-XTS); what else was asked for is kept and shown.
struct TypeEncryption {
  EncryptionId id;
  VolumeTypeId volume_type_id;
  std::string provider;                  // "luks" and the names that mean it
  std::string control_location;          // "front-end" or "back-end"; here always done by the storage
  std::optional<std::string> cipher;     // "aes-xts-plain64"
  std::optional<std::int64_t> key_size;  // bits
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

struct QosSpec {
  QosSpecId id;
  std::string name;
  std::string consumer;  // "front-end", "back-end", "both"
  Metadata specs;
  Timestamp created_at;
  std::optional<Timestamp> updated_at;
};

// The limits that Cinder's documented keys (total_iops_sec, total_bytes_sec, their _max and _per_gb forms) mean for a
// volume; read and write limits count as a total of their sum. Unknown keys mean nothing here.
QosLimits qos_limits(const QosSpec& spec, std::int64_t size_gib);

}  // namespace varve::model
