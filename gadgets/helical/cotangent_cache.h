// Cotangents of parallel views, found once each and kept while source views near by may ask for them again.
#pragma once
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace counterflow::helical {

// Values of a function of a whole number. It may be asked from several threads; at most `capacity` values are kept, those
// farthest from the last question go first. Whatever is kept, the values are the same.
template <class Value>
class Cache {
 public:
  Cache(std::size_t capacity, std::function<Value(long)> make) : capacity_(capacity), make_(std::move(make)) {}

  std::shared_ptr<const Value> operator()(long key) {
    const std::shared_ptr<Entry> entry = find(key);
    std::call_once(entry->once, [&] { entry->value = make_(key); });
    return {entry, &entry->value};
  }

 private:
  struct Entry {
    std::once_flag once;
    Value value;
  };
  std::shared_ptr<Entry> find(long key) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Entry>& entry = entries_[key];
    if (!entry) entry = std::make_shared<Entry>();
    const std::shared_ptr<Entry> found = entry;
    if (entries_.size() > capacity_) {
      const auto first = entries_.begin(), last = std::prev(entries_.end());
      entries_.erase(key - first->first > last->first - key ? first : last);
    }
    return found;
  }

  std::size_t capacity_;
  std::function<Value(long)> make_;
  std::mutex mutex_;
  std::map<long, std::shared_ptr<Entry>> entries_;
};

}  // namespace counterflow::helical
