// How a client reaches the bytes of an attachment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace varve::model {

struct Connection {
  using Value = std::variant<std::string, std::int64_t, bool>;

  std::string protocol;                              // what os-brick calls driver_volume_type: "nbd"
  std::map<std::string, Value, std::less<>> fields;  // what a client of the protocol needs: addresses, names, secrets

  bool operator==(const Connection&) const = default;
};

}  // namespace varve::model
