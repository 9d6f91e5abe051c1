#include "daemon/faults_asked.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/fault.h"

namespace varve::daemon {

namespace json = boost::json;

json::object faults_asked(const json::object& ask) {
  const json::value& faults = ask.at(kFaultsAsk);
  if (!fault::wanted() || !faults.is_string()) throw Error(ErrorCode::InvalidInput, "that is not known here");
  json::object calls;
  for (std::size_t i = 0; i < fault::kKinds.size(); ++i) {
    calls[fault::kKinds[i]] = fault::calls(static_cast<fault::Kind>(i));
  }
  bool struck = fault::disarm();
  fault::arm(std::string_view(faults.as_string()));
  return {{"struck", struck}, {"calls", std::move(calls)}};
}

}  // namespace varve::daemon
