"""What makes it safe to talk to strangers: blocks, reports, cases, suspensions, appeals, and the operators who judge."""
