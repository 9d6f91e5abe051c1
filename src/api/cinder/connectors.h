// What a client tells about itself when it wants a volume's bytes.
#pragma once

#include <boost/json.hpp>

#include "api/common/body.h"
#include "services/attachments.h"

namespace varve::api::cinder {

inline model::AttachMode read_mode(std::string_view field, const std::string& text) {
  std::optional<model::AttachMode> mode = model::parse_attach_mode(text);
  if (!mode) Fields::refuse(field, json::value(text), "'rw' or 'ro' is wanted");
  return *mode;
}

// "connector": {...}; kept as it is, with host, mountpoint and mode read out of it.
inline void read_connector(Fields& fields, services::AttachmentSpec& spec) {
  Fields connector = fields.object("connector");
  constexpr std::size_t kMaxConnector = 8192;
  std::string text = json::serialize(*fields.any("connector"));
  if (text.size() > kMaxConnector) {
    Fields::refuse("connector", *fields.any("connector"), "It is larger than 8192 bytes");
  }
  spec.connector = std::move(text);
  spec.host_name = connector.text("host");
  spec.mountpoint = connector.text("mountpoint");
  std::optional<std::string> mode = connector.text("mode");
  if (mode && *mode != "null" && *mode != "None") spec.mode = read_mode("mode", *mode);
}

}  // namespace varve::api::cinder
