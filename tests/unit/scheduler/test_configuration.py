"""KubeSchedulerConfiguration: what is read from it, and the words for what is wrong with it."""

from typing import Any

import pytest

from pinnace.scheduler.configuration import ConfigurationError, read
from pinnace.scheduler.plugin_sets import DEFAULTS, default_points
from pinnace.scheduler.profiles import Parts, Profile, build_profile
from pinnace.scheduler.settings import SchedulerSettings
from pinnace.scheduler.storage import Storage

Object = dict[str, Any]


def document(**more: Any) -> Object:
    return {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", **more}


def refusal(body: Any) -> str:
    with pytest.raises(ConfigurationError) as error:
        read(body)
    return str(error.value)


def profile(**more: Any) -> Profile:
    return build_profile(read(document(profiles=[more])).profiles[0], Parts(lambda pod: None, Storage()))


def filters(of: Profile) -> list[str]:
    return [plugin.name for plugin in of.filters]


def weights(of: Profile) -> dict[str, int]:
    return {plugin.name: weight for plugin, weight in of.scores}


def test_an_empty_document_means_the_defaults() -> None:
    settings = read(document())
    assert settings == SchedulerSettings(profiles=settings.profiles)
    assert settings.profiles[0].name == "default-scheduler"
    assert settings.profiles[0].points == default_points()


def test_default_plugins_have_upstreams_order_and_weights() -> None:
    made = profile()
    assert filters(made) == [
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity",
        "DynamicResources",
    ]  # fmt: skip
    assert weights(made) == {
        "TaintToleration": 3, "NodeAffinity": 2, "NodeResourcesFit": 1, "PodTopologySpread": 2,
        "InterPodAffinity": 2, "NodeResourcesBalancedAllocation": 1, "ImageLocality": 1,
    }  # fmt: skip


def test_plugins_are_disabled_at_one_point_or_at_all() -> None:
    one = profile(plugins={"score": {"disabled": [{"name": "TaintToleration"}]}})
    assert "TaintToleration" in filters(one)
    assert "TaintToleration" not in weights(one)
    everywhere = profile(plugins={"multiPoint": {"disabled": [{"name": "TaintToleration"}]}})
    assert "TaintToleration" not in filters(everywhere)
    assert "TaintToleration" not in weights(everywhere)


def test_weights_can_be_changed_in_place() -> None:
    for point in ("multiPoint", "score"):
        made = profile(plugins={point: {"enabled": [{"name": "NodeResourcesFit", "weight": 9}]}})
        assert weights(made)["NodeResourcesFit"] == 9
        assert filters(made) == filters(profile())


def test_a_star_disables_all_that_is_not_enabled_by_name() -> None:
    made = profile(
        plugins={"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 3}]}}
    )
    assert weights(made) == {"ImageLocality": 3}
    assert filters(made) == filters(profile())


def test_what_is_enabled_at_a_point_comes_before_the_rest_in_its_own_order() -> None:
    order = [{"name": "InterPodAffinity"}, {"name": "NodeName"}]
    assert filters(profile(plugins={"filter": {"enabled": order}}))[:3] == [
        "InterPodAffinity",
        "NodeName",
        "NodeUnschedulable",
    ]


def test_multi_point_alone_can_build_a_profile() -> None:
    names = ("PrioritySort", "NodeResourcesFit", "DefaultBinder")
    plugins = {"multiPoint": {"disabled": [{"name": "*"}], "enabled": [{"name": name} for name in names]}}
    made = profile(plugins=plugins)
    assert (filters(made), weights(made)) == (["NodeResourcesFit"], {"NodeResourcesFit": 1})
    assert (made.gates, made.preemption) == (None, None)


def test_several_profiles_each_with_its_name() -> None:
    settings = read(
        document(
            profiles=[{"schedulerName": "a"}, {"schedulerName": "b", "percentageOfNodesToScore": 30}],
            percentageOfNodesToScore=50,
        )
    )
    assert [(one.name, one.percentage) for one in settings.profiles] == [("a", 50), ("b", 30)]


def test_arguments_of_plugins() -> None:
    fit = {
        "scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 3}]},
        "ignoredResources": ["example.com/a"],
    }
    spread = {
        "defaultingType": "List",
        "defaultConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    }
    near = {
        "kind": "InterPodAffinityArgs",
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "hardPodAffinityWeight": 7,
    }
    configs = [{"name": "NodeResourcesFit", "args": fit}, {"name": "PodTopologySpread", "args": spread}, {"name": "InterPodAffinity", "args": near},
               {"name": "DefaultPreemption", "args": {"minCandidateNodesPercentage": 50}}]  # fmt: skip
    args = read(document(profiles=[{"pluginConfig": configs}])).profiles[0].args
    assert (args.fit.strategy, args.fit.resources) == ("MostAllocated", (("cpu", 3),))
    assert args.fit.ignores("example.com/a")
    assert [(one.topology_key, one.max_skew, one.is_hard) for one in args.spread.defaults] == [
        ("zone", 2, True)
    ]
    assert args.inter_pod_affinity.hard_pod_affinity_weight == 7
    assert (args.preemption.min_candidate_nodes_percentage, args.preemption.min_candidate_nodes_absolute) == (
        50,
        100,
    )


def test_back_off() -> None:
    settings = read(document(podInitialBackoffSeconds=2, podMaxBackoffSeconds=60))
    assert (settings.first_backoff, settings.longest_backoff) == (2.0, 60.0)


def test_what_has_no_effect_is_named() -> None:
    body = document(
        parallelism=8, leaderElection={"leaderElect": False}, clientConnection={"qps": 50, "burst": 100}
    )
    assert read(body).without_effect == ("parallelism", "leaderElection", "clientConnection")


BAD_SCORES = {
    "type": "RequestedToCapacityRatio",
    "requestedToCapacityRatio": {"shape": [{"utilization": 50, "score": 11}, {"utilization": 10}]},
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "couldn't get version/kind; json parse error: must be a KubeSchedulerConfiguration"),
        ({"kind": "KubeSchedulerConfiguration"}, "Object 'apiVersion' is missing in the document"),
        (
            {**document(), "apiVersion": "kubescheduler.config.k8s.io/v1beta3"},
            'no kind "KubeSchedulerConfiguration" is registered for version "kubescheduler.config.k8s.io/v1beta3" in scheme '
            '"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go"',
        ),
        (
            document(a=1, profiles=[{"b": 2, "plugins": {"filters": {}}}]),
            'strict decoding error: unknown field "a", unknown field "profiles[0].b", unknown field "profiles[0].plugins.filters"',
        ),
        (
            document(parallelism="x"),
            "json: cannot unmarshal string into Go struct field KubeSchedulerConfiguration.parallelism of type int32",
        ),
        (
            document(profiles=[{"pluginConfig": [{"name": "InterPodAffinity", "args": {"foo": 1}}]}]),
            "strict decoding error: decoding .profiles[0].pluginConfig[0]: decoding args for plugin InterPodAffinity: "
            'strict decoding error: unknown field "foo"',
        ),
        (document(parallelism=0), "parallelism: Invalid value: 0: should be an integer value greater than zero"),
        (
            document(profiles=[{"schedulerName": "a"}, {"schedulerName": "a"}]),
            'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
        ),
        (document(profiles=[{"schedulerName": "a"}, {}]), "profiles[1].schedulerName: Required value"),
        (
            document(percentageOfNodesToScore=101, podInitialBackoffSeconds=0),
            "[percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100], "
            "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0]",
        ),
        (
            document(podInitialBackoffSeconds=20),
            "podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds",
        ),
        (
            document(profiles=[{"pluginConfig": [{"name": "DefaultPreemption", "args": {"minCandidateNodesPercentage": 200}}]}]),
            "profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: 200: not in valid range [0, 100]",
        ),
        (
            document(profiles=[{"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": BAD_SCORES}}]}]),
            "[profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 10: "
            "values must be sorted in increasing order, profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio."
            "shape[0].score: Invalid value: 11: not in valid range [0, 10]]",
        ),
        (
            document(profiles=[{"plugins": {"filter": {"enabled": [{"name": "Magic"}]}}}]),
            'initializing profiles: creating profile for scheduler name default-scheduler: FilterPlugin "Magic" does not exist',
        ),
        (
            document(profiles=[{"plugins": {"filter": {"enabled": [{"name": "ImageLocality"}]}}}]),
            'initializing profiles: creating profile for scheduler name default-scheduler: plugin "ImageLocality" does not '
            "extend FilterPlugin plugin",
        ),
        (
            document(profiles=[{"plugins": {"score": {"enabled": [{"name": "ImageLocality"}, {"name": "ImageLocality"}]}}}]),
            'initializing profiles: creating profile for scheduler name default-scheduler: plugin "ImageLocality" already '
            'registered as "ScorePlugin"',
        ),
        (
            document(extenders=[{"urlPrefix": "http://x", "preemptVerb": "preempt"}]),
            "extenders[0].preemptVerb: Forbidden: this scheduler asks no extender about victims",
        ),
        (
            document(extenders=[{"urlPrefix": "http://x", "prioritizeVerb": "p"}]),
            "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it",
        ),
        (
            document(extenders=[{"urlPrefix": "http://x", "bindVerb": "b"}, {"urlPrefix": "http://y", "bindVerb": "b"}]),
            'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
        ),
        (
            document(extenders=[{"urlPrefix": "http://x", "managedResources": [{"name": "cpu"}]}]),
            'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name',
        ),
        (
            document(profiles=[{"pluginConfig": [{"name": "Magic", "args": {}}]}]),
            'profiles[0].pluginConfig[0]: Invalid value: "Magic": no such plugin',
        ),
    ],
)  # fmt: skip
def test_says_what_is_wrong(body: Any, words: str) -> None:
    assert refusal(body) == words


def test_a_profile_needs_a_queue_order_and_a_binder() -> None:
    for point, words in (
        ("queueSort", 'only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0'),
        ("bind", 'at least one bind plugin is needed for profile with scheduler name "default-scheduler"'),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            profile(plugins={point: {"disabled": [{"name": "*"}]}})


def test_every_default_plugin_extends_a_point() -> None:
    assert all(points for points, _ in DEFAULTS.values())
