// What is asked for of a type, be it of volumes or of groups.
#pragma once

#include <optional>
#include <string>

#include "model/change.h"
#include "model/metadata.h"

namespace varve::services {

struct TypeSpec {
  std::string name;
  std::optional<std::string> description;
  bool is_public = true;
  model::Metadata specs;  // extra specs, of a volume type
};

struct TypeChange {
  std::optional<std::string> name;
  model::Change<std::string> description;
  std::optional<bool> is_public;
};

}  // namespace varve::services
