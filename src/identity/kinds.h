// What the kinds of resources are called, in messages and as JSON's key of one.
#pragma once

#include <string_view>

#include "model/identity.h"

namespace varve::identity {

template <class T>
inline constexpr std::string_view kKind;
template <>
inline constexpr std::string_view kKind<model::Domain> = "domain";
template <>
inline constexpr std::string_view kKind<model::Project> = "project";
template <>
inline constexpr std::string_view kKind<model::User> = "user";
template <>
inline constexpr std::string_view kKind<model::Role> = "role";
template <>
inline constexpr std::string_view kKind<model::Group> = "group";
template <>
inline constexpr std::string_view kKind<model::AccessKey> = "credential";
template <>
inline constexpr std::string_view kKind<model::ApplicationCredential> = "application credential";

}  // namespace varve::identity
