// Custom policies: which actions ("evs:volumes:get") are allowed or denied beside what the three roles allow.
// Rules of EVS ("Permissions Policies and Supported Actions"): a denial beats any permission; what nothing allows is
// denied. '*' in a pattern stands for any text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace varve::identity {

struct Statement {
  bool allow = true;
  std::string pattern;
};

using Policy = std::vector<Statement>;

// One statement a line, "+" or "-" before its pattern: how the store keeps it.
std::string encode_policy(const Policy& policy);
Policy decode_policy(std::string_view text);

bool matches(std::string_view pattern, std::string_view action);

enum class Decision : std::uint8_t { Silent, Allowed, Denied };
Decision decide(const Policy& policy, std::string_view action);

// What readers may do: look.
bool is_reading(std::string_view action);

}  // namespace varve::identity
