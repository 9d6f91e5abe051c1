#include "identity/policy.h"

#include "base/text.h"

namespace varve::identity {

std::string encode_policy(const Policy& policy) {
  std::string out;
  for (const Statement& one : policy) out += (one.allow ? "+" : "-") + one.pattern + "\n";
  return out;
}

Policy decode_policy(std::string_view text) {
  Policy policy;
  for (const std::string& line : split(text, '\n')) {
    if (line.size() > 1) policy.push_back({line.front() == '+', line.substr(1)});
  }
  return policy;
}

bool matches(std::string_view pattern, std::string_view action) {
  // Linear in both: on a mismatch only the last star is tried again.
  std::size_t p = 0;
  std::size_t a = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_at = 0;
  while (a < action.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_at = a;
    } else if (p < pattern.size() && pattern[p] == action[a]) {
      ++p;
      ++a;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      a = ++star_at;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Decision decide(const Policy& policy, std::string_view action) {
  Decision decision = Decision::Silent;
  for (const Statement& one : policy) {
    if (!matches(one.pattern, action)) continue;
    if (!one.allow) return Decision::Denied;
    decision = Decision::Allowed;
  }
  return decision;
}

bool is_reading(std::string_view action) {
  return action.ends_with(":get") || action.ends_with(":list") || action.ends_with(":getById");
}

}  // namespace varve::identity
