// varved routes: what the service serves, one line a route and one an action of it.
#pragma once

namespace varve::daemon {

// Prints to standard output; as_json: an array of objects. 0.
int list_routes(bool as_json);

}  // namespace varve::daemon
