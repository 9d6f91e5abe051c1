// Whatever a client sends as a body, a query or a path, the readers end in a value or in varve::Error, and nothing
// else.

#include <cstddef>
#include <cstdint>
#include <string>

#include "api/common/body.h"
#include "api/common/microversion.h"
#include "base/error.h"
#include "http/router.h"

namespace {

template <class F>
void may_refuse(F&& read) {
  try {
    read();
  } catch (const varve::Error&) {
    return;  // the wanted refusal
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  varve::http::Request request;
  request.body = text;
  may_refuse([&] {
    varve::api::Body body(request, "snapshot");
    auto& fields = body.fields();
    fields.nullable_text("name");
    fields.integer("size", 1, 100);
    fields.boolean("force");
    fields.metadata("metadata");
    fields.uuid("volume_id");
    fields.finish();
  });
  may_refuse([&] { varve::http::parse_query(text); });
  may_refuse([&] { varve::api::parse_microversion(text); });
  varve::http::decode_path_segment(text);
  return 0;
}
