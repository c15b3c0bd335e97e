"""behave's hooks. It must stand beside steps/, since behave looks for it only there."""

from support.hooks import after_all, after_scenario, after_step, before_all, before_feature, before_scenario

__all__ = ["after_all", "after_scenario", "after_step", "before_all", "before_feature", "before_scenario"]
