"""StepLab and CompareLab: the boards, what drives them, and what they show."""
