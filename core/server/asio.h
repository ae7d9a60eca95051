// Boost.Asio 1.74 as the server uses it: every file that needs it takes it from here.
#pragma once
// clang-format off
#include <utility>  // first: Boost 1.74 forgets it
#include <boost/asio.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
// clang-format on

namespace counterflow {

namespace asio = boost::asio;
template <class T>
using Task = asio::awaitable<T>;

}  // namespace counterflow
