#include "pipelines/counterflow/ranks.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#ifdef COUNTERFLOW_MPI
#include <sched.h>
#include <unistd.h>

#include <boost/mpi.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <iostream>
#endif

namespace counterflow {
namespace {

int number_in_environment(const char* name) {
  int n = 0;
  if (const char* text = std::getenv(name)) std::from_chars(text, text + std::strlen(text), n);
  return n;
}

// That were started together, as OpenMPI's mpirun, or another's, tells them.
int processes() { return std::max(number_in_environment("OMPI_COMM_WORLD_SIZE"), number_in_environment("PMI_SIZE")); }

#ifdef COUNTERFLOW_MPI

// Each process's share of the cores that mpirun itself may use. OpenMPI binds a process to one core where nobody has told it how:
// such a binding is undone; one that was asked for holds.
int share_of_cores() {
  cpu_set_t all, own;
  if (sched_getaffinity(getppid(), sizeof all, &all) != 0 || sched_getaffinity(0, sizeof own, &own) != 0) return 0;
  const bool asked = std::getenv("OMPI_MCA_hwloc_base_binding_policy") || std::getenv("OMPI_MCA_rmaps_base_mapping_policy");
  if (!asked && sched_setaffinity(0, sizeof all, &all) == 0) own = all;
  const int here = std::max(1, number_in_environment("OMPI_COMM_WORLD_LOCAL_SIZE"));
  return std::max(1, std::min(CPU_COUNT(&own), CPU_COUNT(&all) / here));
}

class Ranks final : public Team {
 public:
  Ranks() : threads_(share_of_cores()), mpi_((yield_while_waiting(), boost::mpi::threading::funneled), false) {
    if (world_.size() < processes())
      throw ConfigError("train: " + std::to_string(processes()) +
                        " processes were started together, but they do not hear each other; " +
                        "start them with the mpirun of the OpenMPI that this program was built with");
  }
  std::size_t size() const override { return static_cast<std::size_t>(world_.size()); }
  std::size_t rank() const override { return static_cast<std::size_t>(world_.rank()); }
  int threads() const override { return threads_; }

  void work(const std::function<void()>& all) override {
    try {
      all();
    } catch (const TeamError&) {
      if (leads()) throw;
    } catch (const std::exception& error) {
      if (leads()) throw;
      std::cerr << "counterflow: " << name() << error.what() << std::endl;  // of what all do alike: the others wait in vain
      boost::mpi::environment::abort(1);
    }
  }
  void together(const std::function<void()>& part) override {
    std::string error;
    try {
      part();
    } catch (const std::bad_alloc&) {
      error = "out of memory: run with fewer processes or --threads";
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    if (!error.empty() && !leads()) error = name() + error;
    std::vector<std::string> errors;
    boost::mpi::all_gather(world_, error, errors);
    for (const std::string& first : errors)
      if (!first.empty()) throw TeamError(first);
  }
  void tell(std::vector<double>& words) override { boost::mpi::broadcast(world_, words, 0); }
  // In the units' order, by which a message is known.
  void gather(std::vector<std::vector<double>>& of_units) override {
    for (std::size_t i = 0; i < of_units.size(); ++i) {
      const int tag = static_cast<int>(i);
      if (leads() && of_units[i].empty()) world_.recv(boost::mpi::any_source, tag, of_units[i]);
      if (!leads() && !of_units[i].empty()) world_.send(0, tag, of_units[i]);
    }
  }

 private:
  // Else a process that waits for another takes the core that this one needs.
  static void yield_while_waiting() { setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0); }
  std::string name() const { return "process " + std::to_string(rank()) + " of " + std::to_string(size()) + ": "; }

  int threads_;
  boost::mpi::environment mpi_;
  boost::mpi::communicator world_;
};

#endif

}  // namespace

std::unique_ptr<Team> make_team() {
  if (processes() <= 1) return std::make_unique<Team>();
#ifdef COUNTERFLOW_MPI
  return std::make_unique<Ranks>();
#else
  throw ConfigError(
      "train: started as one of " + std::to_string(processes()) +
      " processes, but this program was built without MPI; install libboost-mpi-dev and libopenmpi-dev and build it " +
      "again, or start one process");
#endif
}

}  // namespace counterflow
